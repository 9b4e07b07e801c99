"""Bringing a checkpoint in: by a template without torch, by export, and what is checked before anything is written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from limner.engine.request import DrawRequest
from limner.engine.source import Source
from limner.engine.studio import LocalStudio
from limner.errors import InvalidInput, NotFound, Unavailable
from limner.families.diffusion.checkpoint.bring import import_checkpoint
from limner.families.diffusion.checkpoint.lora import LEARNED, told_of
from limner.families.diffusion.checkpoint.templates import Template
from limner.families.diffusion.checkpoint.templates import templates as templates_of
from limner.families.diffusion.template_export import published, write_templates
from limner.registry import Model, Registry, open_model
from limner.registry.making import About
from limner.registry.manifest import Parted
from tests.families.diffusion.checkpoint.tiny_sd import FIRST, make_file, make_folder

ABOUT = About("tiny-sd", "1", "Tiny", "none", "tests")
WEIGHTS = ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("sd"))


@pytest.fixture(scope="module")
def file(pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_file(tmp_path_factory.mktemp("file"), pipeline)


@pytest.fixture(scope="module")
def templates(tiny_templates: Path) -> Path:
    return tiny_templates


WITHOUT_TORCH = """
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "diffusers", "transformers", "safetensors", "onnxscript"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
from limner.errors import LimnerError
from limner.families.diffusion.checkpoint.bring import import_checkpoint
from limner.registry.making import About
source, out, templates = map(Path, sys.argv[1:])
said = []
try:
    model = import_checkpoint(source, out, About("tiny-sd", "1", "Tiny", "none", "tests"),
        template_folder=templates, progress=lambda *at: said.append(at))
except LimnerError as error:
    sys.exit(str(error))
assert [done for done, _ in said] == sorted(done for done, _ in said) and said[-1][0] == said[-1][1]
print(said[-1][1])
"""


def without_torch(*arguments: Path) -> subprocess.CompletedProcess[str]:
    """Import a checkpoint in an interpreter that has the base dependencies alone."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )


def drawn(model: Model, prompt: str = "a cat", source: Source | None = None, **asked: Any) -> np.ndarray:
    registry = Registry(model.path.parent / "data", [model])
    studio = LocalStudio(registry, "openvino")
    try:
        request = DrawRequest(prompt=prompt, model=model.name, seed=3, steps=3, **asked)
        return studio.draw(request, source).pixels
    finally:
        studio.close()


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = np.mean((one.astype(float) - other.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def as_float32(model: Model) -> Model:
    """The model with a manifest that asks for single precision."""
    listed = model.path / "limner.json"
    told = json.loads(listed.read_text("utf-8"))
    listed.write_text(json.dumps(told | {"precision": "float32"}), encoding="utf-8")
    return open_model(model.path)


def test_a_template_is_bound_without_torch(file: Path, templates: Path, tmp_path: Path) -> None:
    told = without_torch(file, tmp_path / "m", templates)
    assert told.returncode == 0, told.stderr
    model = open_model(tmp_path / "m")
    assert set(model.manifest.graphs) == {"text_encoder", "unet", "vae_decoder", "vae_encoder"}
    size = sum((model.path / f"{name}.safetensors").stat().st_size for name in WEIGHTS)
    assert 0 < size - int(told.stdout) < 100_000  # what was told of, but for the headers
    assert model.manifest.sizes[0].width == 512 and not list(tmp_path.glob(".*"))
    assert len(model.manifest.lineage.data_hash) == 64


def test_without_torch_and_template_it_says_what_to_install(pipeline: Path, tmp_path: Path) -> None:
    told = without_torch(pipeline, tmp_path / "m", tmp_path)
    assert told.returncode == 1 and "[train]" in told.stderr and "Traceback" not in told.stderr
    assert not list(tmp_path.iterdir())


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


def test_for_what_has_no_template_one_is_made(pipeline: Path, templates: Path, tmp_path: Path) -> None:
    bound = as_float32(import_checkpoint(pipeline, tmp_path / "a", ABOUT, template_folder=templates))
    shutil.copytree(templates, tmp_path / "few", ignore=shutil.ignore_patterns("v", "v-encoder"))
    made = as_float32(import_checkpoint(pipeline, tmp_path / "b", ABOUT, template_folder=tmp_path / "few"))
    assert np.array_equal(drawn(bound), drawn(made))
    for graph in bound.manifest.graphs:
        assert bound.graph_file(graph).read_bytes() == made.graph_file(graph).read_bytes()


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
    (unet / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(listed), encoding="utf-8")
    vae = tmp_path / "p" / f"{WEIGHTS[1]}.safetensors"
    vae.rename(vae.with_suffix(".fp16.safetensors"))
    model = import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT, template_folder=templates)
    found = load_file(model.path / f"{WEIGHTS[0]}.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in whole.items())


@pytest.mark.parametrize("listing", ["safetensors.index.fp16.json", "fp16.safetensors.index.json"])
def test_half_precision_in_several_files(
    pipeline: Path, templates: Path, tmp_path: Path, listing: str
) -> None:
    shutil.copytree(pipeline, tmp_path / "p")
    unet = tmp_path / "p" / "unet"
    (unet / "diffusion_pytorch_model.safetensors").rename(unet / "one.safetensors")
    names = load_file(unet / "one.safetensors")
    told = {"weight_map": dict.fromkeys(names, "one.safetensors")}
    (unet / f"diffusion_pytorch_model.{listing}").write_text(json.dumps(told), encoding="utf-8")
    assert import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT, template_folder=templates)


def test_an_autoencoders_attention_as_diffusers_once_named_it(
    pipeline: Path, templates: Path, tmp_path: Path
) -> None:
    shutil.copytree(pipeline, tmp_path / "p")
    file = tmp_path / "p" / f"{WEIGHTS[1]}.safetensors"
    before = load_file(file)
    once = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    renamed = dict(before)
    for new, old in once.items():
        renamed = {name.replace(new, old): tensor for name, tensor in renamed.items()}
    assert renamed.keys() != before.keys()
    save_file(renamed, file)
    model = import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT, template_folder=templates)
    assert load_file(model.path / f"{WEIGHTS[1]}.safetensors").keys() == before.keys()


def test_loras_are_laid_on_one_after_another(pipeline: Path, templates: Path, tmp_path: Path) -> None:
    name = "mid_block.attentions.0.transformer_blocks.0.attn2.to_v"
    expected = load_file(pipeline / f"{WEIGHTS[0]}.safetensors")[f"{name}.weight"].float()
    loras = []
    for k, scale in enumerate((0.5, -0.25)):
        down, up = torch.randn(2, 64), torch.randn(64, 2)
        file = tmp_path / f"l{k}.safetensors"
        noted = {LEARNED: told_of([Parted(data_hash="set 0", held_out=0.1, seed=3, folder="/mine")])}
        pair = {f"unet.{name}.lora_A.weight": down, f"unet.{name}.lora_B.weight": up}
        save_file(pair, file, noted if k == 0 else {LEARNED: "[nothing"})
        loras.append((file, scale))
        expected = expected + scale * up @ down
    model = import_checkpoint(pipeline, tmp_path / "m", ABOUT, template_folder=templates, loras=loras)
    after = load_file(model.path / f"{WEIGHTS[0]}.safetensors")[f"{name}.weight"].float()
    torch.testing.assert_close(after, expected, rtol=2e-3, atol=2e-3)
    assert model.manifest.lineage.recipe == "import l0.safetensors:0.5 l1.safetensors:-0.25"
    (learned,) = model.manifest.lineage.learned()
    assert (learned.data_hash, learned.held_out, learned.seed, learned.folder) == ("set 0", 0.1, 3, None)


def test_relatives_that_need_more_than_a_text_are_refused(pipeline: Path, tmp_path: Path) -> None:
    shutil.copytree(pipeline, tmp_path / "p")
    config = tmp_path / "p" / "unet" / "config.json"
    told = json.loads(config.read_text("utf-8"))
    config.write_text(json.dumps(told | {"in_channels": 5}), encoding="utf-8")
    with pytest.raises(InvalidInput, match="takes 5 channels"):
        import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT)
    config.write_text(json.dumps(told | {"class_embed_type": "projection"}), encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"more than a text \(class_embed_type='projection'\)"):
        import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT)
    config.write_text(json.dumps(told | {"time_cond_proj_dim": 256}), encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"more than a text \(time_cond_proj_dim=256\), as .* LCM's"):
        import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT)
    config.write_text(json.dumps(told | {"sample_size": None}), encoding="utf-8")
    with pytest.raises(InvalidInput, match="sample_size=None"):
        import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT)
    config.write_text(json.dumps(told | {"down_block_types": ["Nothing", "AtAll"]}), encoding="utf-8")
    with pytest.raises(InvalidInput, match="configuration of the unet cannot be built"):
        import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT)
    config.write_text(json.dumps(told | {"in_channels": [4]}), encoding="utf-8")
    with pytest.raises(InvalidInput, match="channels"):
        import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT)
    config.write_text(json.dumps(told), encoding="utf-8")
    vae = tmp_path / "p" / "vae" / "config.json"
    vae.write_text(
        json.dumps(json.loads(vae.read_text("utf-8")) | {"block_out_channels": []}), encoding="utf-8"
    )
    with pytest.raises(InvalidInput, match="block_out_channels"):
        import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT)
    (tmp_path / "p" / "text_encoder_2").mkdir()
    with pytest.raises(InvalidInput, match="XL"):
        import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT)


def test_a_network_that_cannot_be_exported_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match="configuration of the unet cannot be exported: class_labels should"
    ):
        write_templates(tmp_path, {"u": ("unet", FIRST | {"class_embed_type": "timestep"})})


def test_what_the_unet_predicts_can_be_said(pipeline: Path, templates: Path, tmp_path: Path) -> None:
    model = import_checkpoint(
        pipeline, tmp_path / "m", ABOUT, template_folder=templates, prediction="v_prediction"
    )
    told = json.loads((model.path / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    assert told["prediction_type"] == "v_prediction"


def test_a_template_fits_its_configuration_alone(templates: Path) -> None:
    template = Template.model_validate_json((templates / "u" / "template.json").read_bytes())
    plain = json.loads(json.dumps(FIRST))
    assert template.fits(plain)
    assert template.fits(plain | {"_class_name": "x", "sample_size": 1, "num_class_embeds": None})
    others = (
        {"cross_attention_dim": 32},
        {"layers_per_block": 1},
        {"class_embed_type": "timestep"},
        {"new": 1},
    )
    for other in others:
        assert not template.fits(plain | other)


def test_every_published_configuration_has_one_template() -> None:
    """As the checkpoints' own config.json say it: what is not the class's default, and the class's name."""
    for name, (part, config) in published().items():
        told = json.loads(json.dumps(config)) | {"_class_name": "x", "_diffusers_version": "0.6.0"}
        found = [folder.name for _, folder in templates_of(part, told)]
        assert found == ([name, f"{name}-encoder"] if part == "vae" else [name])


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
