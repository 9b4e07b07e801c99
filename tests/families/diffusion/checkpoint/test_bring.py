"""Bringing a checkpoint in: by a template without torch, by export, and what is checked before anything is written."""

from __future__ import annotations

import builtins
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.errors import InvalidInput, LimnerError, NotFound, Unavailable
from limner.families.diffusion.checkpoint.bring import About, import_checkpoint
from limner.families.diffusion.checkpoint.templates import Template
from limner.families.diffusion.template_export import write_templates
from limner.registry import Model, Registry
from tests.families.diffusion.checkpoint.tiny_sd import FIRST, TEXT, VAE, make_file, make_folder

ABOUT = About("tiny-sd", "1", "Tiny", "none", "tests")
WEIGHTS = ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("sd"))


@pytest.fixture(scope="module")
def file(pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_file(tmp_path_factory.mktemp("file"), pipeline)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("templates")
    write_templates(folder, {"u": ("unet", FIRST), "v": ("vae", VAE), "t": ("text_encoder", TEXT)})
    return folder


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever imports torch or what stands on it fails."""
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] in ("torch", "diffusers", "transformers"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    yield


def drawn(model: Model, prompt: str = "a cat", **asked: Any) -> np.ndarray:
    registry = Registry(model.path.parent / "data", [model])
    studio = LocalStudio(registry, "openvino")
    try:
        return studio.draw(DrawRequest(prompt=prompt, model=model.name, seed=3, steps=3, **asked)).pixels
    finally:
        studio.close()


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other.astype(float)) ** 2)))


def as_float32(model: Model) -> Model:
    """The model with a manifest that asks for single precision."""
    listed = model.path / "limner.json"
    told = json.loads(listed.read_text())
    listed.write_text(json.dumps(told | {"precision": "float32"}))
    from limner.registry import open_model

    return open_model(model.path)


@pytest.mark.usefixtures("no_torch")
def test_a_template_is_bound_without_torch(file: Path, templates: Path, tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []
    model = import_checkpoint(
        file, tmp_path / "m", ABOUT, template_folder=templates, progress=lambda *at: said.append(at)
    )
    assert set(model.manifest.graphs) == {"text_encoder", "unet", "vae_decoder"}
    size = sum((model.path / f"{name}.safetensors").stat().st_size for name in WEIGHTS)
    assert [done for done, _ in said] == sorted(done for done, _ in said)
    assert said[-1][0] == said[-1][1] and 0 < size - said[-1][1] < 100_000  # but for the headers
    assert model.manifest.sizes[0].width == 512 and not (tmp_path / "m.partial").exists()
    assert len(model.manifest.lineage.data_hash) == 64


@pytest.mark.parametrize("size", [{}, {"width": 128, "height": 64}])
def test_the_picture_is_diffusers_picture(
    pipeline: Path, templates: Path, tmp_path: Path, size: dict[str, Any]
) -> None:
    """In the first size and in a lying one."""
    model = as_float32(import_checkpoint(pipeline, tmp_path / "m", ABOUT, template_folder=templates))
    pipe = StableDiffusionPipeline.from_pretrained(pipeline)
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    expected = pipe(
        "a cat",
        num_inference_steps=3,
        guidance_scale=7.5,
        generator=torch.Generator().manual_seed(3),
        output_type="np",
        **size,
    ).images[0]
    assert psnr(drawn(model, **size), (expected * 255).round()) > 40


def test_what_has_no_template_is_exported(pipeline: Path, templates: Path, tmp_path: Path) -> None:
    bound = as_float32(import_checkpoint(pipeline, tmp_path / "a", ABOUT, template_folder=templates))
    exported = as_float32(import_checkpoint(pipeline, tmp_path / "b", ABOUT, template_folder=tmp_path))
    assert psnr(drawn(bound), drawn(exported)) > 50
    for name in WEIGHTS:
        assert (
            load_file(exported.path / f"{name}.safetensors").keys()
            == load_file(pipeline / f"{name}.safetensors").keys()
        )


@pytest.mark.usefixtures("no_torch")
def test_without_torch_and_template_it_says_what_to_install(pipeline: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"\[train\]"):
        import_checkpoint(pipeline, tmp_path / "m", ABOUT, template_folder=tmp_path)
    assert not list(tmp_path.glob("m*"))


def test_diffusers_loads_what_was_brought_in(file: Path, templates: Path, tmp_path: Path) -> None:
    model = import_checkpoint(file, tmp_path / "m", ABOUT, template_folder=templates)
    loaded = StableDiffusionPipeline.from_pretrained(model.path)
    before = load_file(model.path / "unet" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(t.float(), before[n].float()) for n, t in loaded.unet.state_dict().items())
    assert loaded.text_encoder.get_input_embeddings().weight.shape == (49408, 64)


def _changed(pipeline: Path, folder: Path, name: str, **tensors: torch.Tensor | None) -> Path:
    """A copy of a pipeline with tensors of one part changed, or left out where None."""
    shutil.copytree(pipeline, folder)
    weights = folder / f"{name}.safetensors"
    kept = {key: tensors.get(key, tensor) for key, tensor in load_file(weights).items()}
    save_file({key: tensor for key, tensor in kept.items() if tensor is not None}, weights)
    return folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"conv_in.weight": None}, "lacks tensor 'conv_in.weight'"),
        ({"conv_in.bias": torch.zeros(5)}, r"is \[5\]"),
    ],
)
def test_missing_and_misshapen_tensors(
    pipeline: Path, templates: Path, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    wrong = _changed(pipeline, tmp_path / "p", WEIGHTS[0], **change)
    with pytest.raises(InvalidInput, match=words):
        import_checkpoint(wrong, tmp_path / "m", ABOUT, template_folder=templates)
    with pytest.raises(LimnerError):  # found by the exporter too
        import_checkpoint(wrong, tmp_path / "m", ABOUT, template_folder=tmp_path)
    assert not list(tmp_path.glob("m*"))


def test_pickles_are_refused_with_the_reason(pipeline: Path, tmp_path: Path) -> None:
    (tmp_path / "sd.ckpt").write_bytes(b"anything")
    with pytest.raises(InvalidInput, match="can run any code"):
        import_checkpoint(tmp_path / "sd.ckpt", tmp_path / "m", ABOUT)
    shutil.copytree(pipeline, tmp_path / "p")
    weights = tmp_path / "p" / f"{WEIGHTS[0]}.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(InvalidInput, match=r"diffusion_pytorch_model\.bin is a pickle"):
        import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT)


def test_parts_that_are_not_there(pipeline: Path, tmp_path: Path) -> None:
    shutil.copytree(pipeline, tmp_path / "p")
    shutil.rmtree(tmp_path / "p" / "vae")
    with pytest.raises(NotFound, match="lacks vae"):
        import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT)
    with pytest.raises(NotFound, match="'nowhere' not found"):
        import_checkpoint(Path("nowhere"), tmp_path / "m", ABOUT)


def test_a_full_disk_is_told_beforehand(
    pipeline: Path, templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1))
    with pytest.raises(Unavailable, match=r"0\.0 GB left"):
        import_checkpoint(pipeline, tmp_path / "m", ABOUT, template_folder=templates)


def test_a_model_that_is_there_stays(pipeline: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises(InvalidInput, match="is there already"):
        import_checkpoint(pipeline, tmp_path / "m", ABOUT)


def test_weights_in_several_files_and_in_half_precision(
    pipeline: Path, templates: Path, tmp_path: Path
) -> None:
    shutil.copytree(pipeline, tmp_path / "p")
    unet = tmp_path / "p" / "unet"
    whole = load_file(unet / "diffusion_pytorch_model.safetensors")
    (unet / "diffusion_pytorch_model.safetensors").unlink()
    names = sorted(whole)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for shard, part in shards.items():
        save_file({name: whole[name] for name in part}, unet / shard)
    listed = {"weight_map": {name: shard for shard, part in shards.items() for name in part}}
    (unet / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(listed))
    vae = tmp_path / "p" / f"{WEIGHTS[1]}.safetensors"
    vae.rename(vae.with_suffix(".fp16.safetensors"))
    model = import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT, template_folder=templates)
    found = load_file(model.path / f"{WEIGHTS[0]}.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in whole.items())


def test_a_lora_is_laid_on(pipeline: Path, templates: Path, tmp_path: Path) -> None:
    name = "mid_block.attentions.0.transformer_blocks.0.attn2.to_v"
    down, up = torch.randn(2, 64), torch.randn(64, 2)
    save_file(
        {f"unet.{name}.lora_A.weight": down, f"unet.{name}.lora_B.weight": up}, tmp_path / "l.safetensors"
    )
    model = import_checkpoint(
        pipeline, tmp_path / "m", ABOUT, template_folder=templates, loras=[(tmp_path / "l.safetensors", 0.5)]
    )
    before = load_file(pipeline / f"{WEIGHTS[0]}.safetensors")[f"{name}.weight"].float()
    after = load_file(model.path / f"{WEIGHTS[0]}.safetensors")[f"{name}.weight"].float()
    torch.testing.assert_close(after, before + 0.5 * up @ down, rtol=2e-3, atol=2e-3)
    assert model.manifest.lineage.recipe == "import l.safetensors:0.5"


def test_a_template_fits_its_configuration_alone(templates: Path) -> None:
    template = Template.model_validate_json((templates / "u" / "template.json").read_bytes())
    assert template.fits(dict(FIRST)) and template.fits(
        FIRST | {"_class_name": "x", "sample_size": 1, "num_class_embeds": None}
    )
    for other in (
        {"cross_attention_dim": 32},
        {"layers_per_block": 1},
        {"class_embed_type": "timestep"},
        {"new": 1},
    ):
        assert not template.fits(FIRST | other)


def test_a_long_prompt_with_weights_is_encoded_in_windows(
    pipeline: Path, templates: Path, tmp_path: Path
) -> None:
    """Against diffusers, given the encodings that the notation means."""
    model = as_float32(import_checkpoint(pipeline, tmp_path / "m", ABOUT, template_folder=templates))
    pipe = StableDiffusionPipeline.from_pretrained(pipeline)
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    words = ["cat"] * 80

    def encoded(text: str) -> torch.Tensor:
        ids = pipe.tokenizer(text, padding="max_length", max_length=77, return_tensors="pt").input_ids
        with torch.no_grad():
            states: torch.Tensor = pipe.text_encoder(ids)[0]
        return states

    first, second, empty = encoded(" ".join(words[:75])), encoded(" ".join(words[75:])), encoded("")
    heavy = first.clone()
    heavy[:, 1:3] *= 1.5  # start, then the two words
    heavy *= first.mean() / heavy.mean()
    expected = pipe(
        prompt_embeds=torch.cat([heavy, second], 1),
        negative_prompt_embeds=torch.cat([empty, empty], 1),
        num_inference_steps=3,
        guidance_scale=7.5,
        generator=torch.Generator().manual_seed(3),
        output_type="np",
    ).images[0]
    prompt = "(cat cat:1.5) " + " ".join(words[2:])
    assert psnr(drawn(model, prompt=prompt), (expected * 255).round()) > 40
