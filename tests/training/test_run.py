"""A whole recipe in small: from nothing to a model directory that draws, and a second call that repeats nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from safetensors.torch import load_file

from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.errors import Cancelled, InvalidInput, LimnerError, NotFound
from limner.families import layout
from limner.families.diffusion import export
from limner.registry import Registry
from limner.registry.models import open_model
from limner.training.loop import Loop, Made
from limner.training.run import train
from tests.training.interrupting import press_ctrl_c

RECIPE = """
seed = 4
[data]
storybook_count = 24
size = 64
held_out = 0.2
[autoencoder]
channels = [8, 16, 16, 16]
latent_channels = 4
steps = 4
batch_size = 4
crop = 32
whole_from = 0.5
warmup = 1
[decoder]
steps = 2
batch_size = 2
crop = 32
whole_from = 0.5
[denoiser]
channels = [16, 32]
heads = 2
text_layers = 1
text_width = 32
text_heads = 2
text_length = 16
vocabulary_size = 600
steps = 4
batch_size = 4
warmup = 1
simple_until = 0.5
attention_from = 1
pooled_text = true
subject_weight = 0.1
layout = true
[model]
name = "small"
title = "Small"
description = "Four steps of each."
sampler = { steps = 3 }
precision = "float32"
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "small.toml").write_text(RECIPE, encoding="utf-8")
    train(folder / "small.toml", folder / "out", resume=False)
    return folder


@pytest.fixture
def same_graphs(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the graphs of the first run: to export those of the same networks again takes most of a run's time."""
    made = shutil.copytree(run / "out" / "model", tmp_path / "made")
    monkeypatch.setattr(
        export, "write_graph", lambda out, stage: shutil.copy(made / stage.file, out / stage.file)
    )
    monkeypatch.setattr(export, "verify", lambda directory: [])


def test_the_model_draws(run: Path, tmp_path: Path) -> None:
    model = open_model(run / "out" / "model")
    assert model.manifest.lineage.examples == 16 and "24 of seed 1" in model.manifest.lineage.data
    assert model.manifest.vocabulary is not None and "apple" in model.manifest.vocabulary
    studio = LocalStudio(Registry(tmp_path))
    picture = studio.draw(DrawRequest(prompt="a red apple", model=str(model.path), seed=1))
    studio.close()
    assert picture.pixels.shape == (64, 64, 3) and picture.request.steps == 3


def test_diffusers_draws_the_same(run: Path, tmp_path: Path) -> None:
    model = open_model(run / "out" / "model")
    pipeline = StableDiffusionPipeline.from_pretrained(
        model.path, safety_checker=None, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        "a red apple",
        num_inference_steps=3,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(1),
        output_type="np",
    ).images[0]
    studio = LocalStudio(Registry(tmp_path))
    ours = studio.draw(DrawRequest(prompt="a red apple", model=str(model.path), seed=1)).pixels
    studio.close()
    error = np.mean((ours / 255 - theirs) ** 2)
    assert error < 1e-4  # 40 dB


@pytest.mark.usefixtures("same_graphs")
def test_a_second_call_goes_on_where_the_first_ended(run: Path) -> None:
    weights = run / "out" / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    latents = run / "out" / "cache" / "latents-train.safetensors"
    drawn = run / "out" / "decoder" / "drawn-train.safetensors"
    before, made = weights.read_bytes(), [each.stat().st_mtime_ns for each in (latents, drawn)]
    train(run / "small.toml", run / "out", resume=True)
    assert weights.read_bytes() == before
    assert [each.stat().st_mtime_ns for each in (latents, drawn)] == made


def _latents(file: Path) -> NDArray[np.float64]:
    return load_file(file)["latents"].double().numpy()


def test_the_decoder_learns_on_what_the_denoiser_draws(run: Path) -> None:
    drawn = load_file(run / "out" / "decoder" / "drawn-train.safetensors")
    encoded = _latents(run / "out" / "cache" / "latents-train.safetensors")
    assert drawn["latents"].shape == encoded.shape and len(drawn["ground"]) == len(encoded)
    apart = np.abs(drawn["latents"].double().numpy() - encoded).mean((1, 2, 3))
    assert (apart > 0.1).all() and np.isfinite(apart).all()


def test_latents_are_standardised(run: Path) -> None:
    latents = _latents(run / "out" / "cache" / "latents-train.safetensors")
    own, guessed = latents[:, : -layout.CHANNELS], latents[:, -layout.CHANNELS :]
    assert np.abs(own.mean((0, 2, 3))).max() < 0.02
    assert np.abs(own.std((0, 2, 3)) - 1).max() < 0.02
    assert 0.1 < guessed.std() < 1  # of deviation 1 where they are true, and a guess is nearer to their mean


@pytest.mark.usefixtures("same_graphs")
def test_the_decoder_of_a_parent_learns_on_alone(run: Path, tmp_path: Path) -> None:
    """Without steps autoencoder and denoiser stay as they are."""
    recipe = RECIPE.replace("\nsteps = 4\n", "\nsteps = 0\n").replace("[decoder]", "[decoder]\npictures = 5")
    (tmp_path / "on.toml").write_text(recipe + 'version = "2"\n', encoding="utf-8")
    parent = open_model(run / "out" / "model")
    made = train(tmp_path / "on.toml", tmp_path / "out", resume=False, parent=parent)
    assert made.manifest.layout == parent.manifest.layout and made.manifest.lineage.parent == "small@1"
    assert len(load_file(tmp_path / "out" / "decoder" / "drawn-train.safetensors")["latents"]) == 5
    unet = "unet/diffusion_pytorch_model.safetensors"
    assert (made.path / unet).read_bytes() == (parent.path / unet).read_bytes()
    old, new = (
        load_file(each / "vae" / "diffusion_pytorch_model.safetensors") for each in (parent.path, made.path)
    )
    changed = {name.partition(".")[0] for name in old if not torch.equal(old[name], new[name])}
    assert "decoder" in changed and not torch.equal(
        old["decoder.conv_in.weight"], new["decoder.conv_in.weight"]
    )


@pytest.mark.parametrize(
    ("kept", "old", "new", "message"),
    [
        (
            2, "text_width = 32", "text_width = 16",
            r"denoiser\.steps is 0, and the denoiser of 'small' has another shape",
        ),
        (
            1, "[8, 16, 16, 16]", "[16, 16, 16, 16]",
            r"autoencoder\.steps is 0, and the autoencoder of .* another shape",
        ),
        # 22 scenes have not all the kinds of 24: the layout would say something else than the decoder learns.
        (2, "count = 24", "count = 22", r"denoiser\.steps is 0, and the kinds of subject in these pictures"),
    ],
    ids=["denoiser", "autoencoder", "kinds"],
)  # fmt: skip
def test_what_does_not_fit_the_recipe_is_not_kept(
    kept: int, old: str, new: str, message: str, run: Path, tmp_path: Path
) -> None:
    """The autoencoder, or it and the denoiser, of a parent whose shape or kinds are other than the recipe says."""
    recipe = RECIPE.replace("\nsteps = 4\n", "\nsteps = 0\n", kept)
    assert old in recipe
    (tmp_path / "on.toml").write_text(recipe.replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidInput, match=f"^{message}"):
        train(tmp_path / "on.toml", tmp_path / "out", resume=False, parent=open_model(run / "out" / "model"))


def test_what_is_not_trained_needs_a_parent(tmp_path: Path) -> None:
    (tmp_path / "on.toml").write_text(RECIPE.replace("\nsteps = 4\n", "\nsteps = 0\n", 1), encoding="utf-8")
    learned = tmp_path / "out" / "denoiser"
    learned.mkdir(parents=True)
    (tmp_path / "out" / "recipe.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"^autoencoder\.steps is 0, .* --init MODEL$"):
        train(tmp_path / "on.toml", tmp_path / "out", resume=False)
    assert learned.is_dir(), "what an earlier run has learned"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("text_length = 16", "text_length = 24", "denoiser.text_length"),
        ("seed = 4", "seed = 5", "seed"),
        ("held_out = 0.2", "held_out = 0.3", "data.held_out"),
    ],
)
def test_a_run_goes_on_only_by_its_own_recipe(
    run: Path, tmp_path: Path, old: str, new: str, named: str
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(RECIPE.replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidInput, match=f"^{named} is .* and was .* start again with --anew") as raised:
        train(other, run / "out", resume=True)
    assert raised.value.field == named


@pytest.mark.usefixtures("same_graphs")
def test_what_changes_no_weights_may_change(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    recipe = RECIPE.replace("simple_until = 0.5", "simple_until = 0.5\ncheckpoint_every = 2")
    other.write_text(recipe.replace('title = "Small"', 'title = "Smaller"'), encoding="utf-8")
    assert train(other, run / "out", resume=True).manifest.title == "Smaller"


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("metadata.jsonl", b" a ", b" the "),
        ("metadata.jsonl", b'"mirrored": false', b'"mirrored": true'),
        ("images/000003.png", b"IEND\xae", b"IEND\xaf"),
    ],
)
def test_a_run_goes_on_only_with_its_own_pictures(
    run: Path, tmp_path: Path, file: str, old: bytes, new: bytes
) -> None:
    out = shutil.copytree(run / "out", tmp_path / "out")
    changed = out / "pictures" / file  # of the same size, or not
    changed.write_bytes(changed.read_bytes().replace(old, new, 1))
    with pytest.raises(InvalidInput, match="captions or prompts have changed"):
        train(run / "small.toml", out, resume=True)


def test_what_was_exported_stays_where_the_next_export_fails(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(run / "out", tmp_path / "out")

    def differs(directory: Path) -> None:
        raise LimnerError("a graph differs from torch")

    monkeypatch.setattr(export, "write_graph", lambda *_: None)
    monkeypatch.setattr(export, "verify", differs)
    with pytest.raises(LimnerError, match="differs"):
        train(run / "small.toml", out, resume=True)
    assert [file.read_bytes() for file in sorted((out / "model").rglob("*.onnx"))] == [
        file.read_bytes() for file in sorted((run / "out" / "model").rglob("*.onnx"))
    ]
    assert open_model(out / "model").name == "small" and not list(out.glob(".*"))


@pytest.mark.usefixtures("same_graphs")
def test_a_new_autoencoder_keeps_its_decoder_beside_a_parent(run: Path, tmp_path: Path) -> None:
    """The parent's decoder reads other latents than the encoder that has learned on; `[decoder]` has no steps here."""
    recipe = RECIPE.replace("[decoder]\nsteps = 2", "[decoder]\nsteps = 0")
    recipe = recipe.replace("[autoencoder]", "[autoencoder]\nema_decay = 0.0")
    (tmp_path / "on.toml").write_text(recipe, encoding="utf-8")
    parent = open_model(run / "out" / "model")
    made = train(tmp_path / "on.toml", tmp_path / "out", resume=False, parent=parent)
    weights = "vae/diffusion_pytorch_model.safetensors"
    old, new = (load_file(each.path / weights) for each in (parent, made))
    learned = torch.load(
        tmp_path / "out" / "autoencoder" / "checkpoints" / "000000004" / "state.pt", weights_only=True
    )["module"]
    name = "decoder.mid_block.resnets.0.conv1.weight"
    (kept,) = [value for key, value in learned.items() if key.endswith(name)]
    assert torch.equal(new[name], kept.half()) and not torch.equal(new[name], old[name])


def test_a_folder_of_pictures_that_storybook_did_not_draw_is_left_alone(run: Path, tmp_path: Path) -> None:
    shutil.copy(run / "out" / "recipe.json", tmp_path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "mine.png").write_bytes(b"mine")
    with pytest.raises(InvalidInput):
        train(run / "small.toml", tmp_path, resume=False)
    assert (tmp_path / "pictures" / "mine.png").read_bytes() == b"mine"


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "tokenizer").mkdir()
    with pytest.raises(InvalidInput, match="holds 'tokenizer' but is no folder of a run"):
        train(tmp_path / "small.toml", tmp_path, resume=False)
    assert (tmp_path / "tokenizer").is_dir()


def test_a_run_that_was_cut_off_while_it_drew_begins_again(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(
        RECIPE.replace("storybook_count = 24", "storybook_count = 1"), encoding="utf-8"
    )
    for _ in range(2):  # one picture cannot be learned from and held out
        with pytest.raises(InvalidInput, match="cannot be split"):
            train(tmp_path / "small.toml", tmp_path / "out", resume=False)


def test_a_wrong_recipe_costs_nothing_that_was_learned(run: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(RECIPE.replace("[data]", f'[data]\nfolder = "{tmp_path / "nowhere"}"'), encoding="utf-8")
    with pytest.raises(NotFound):
        train(wrong, run / "out", resume=False, anew=True)
    with pytest.raises(
        InvalidInput, match="--resume goes on with it, --anew lets go of it, and --out names another"
    ):
        train(run / "small.toml", run / "out", resume=False)
    assert list((run / "out" / "denoiser" / "checkpoints").iterdir())


@pytest.mark.usefixtures("same_graphs")
def test_a_run_that_begins_again_draws_other_pictures_where_it_must(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(run / "out" / "pictures", out / "pictures")
    shutil.copy(run / "out" / "recipe.json", out)
    (tmp_path / "other.toml").write_text(
        RECIPE.replace("storybook_count = 24", "storybook_count = 12"), encoding="utf-8"
    )
    model = train(tmp_path / "other.toml", out, resume=False)
    assert "12 of seed 1" in model.manifest.lineage.data
    assert len(list((out / "pictures" / "images").iterdir())) == 12


@pytest.mark.usefixtures("same_graphs")
def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(run: Path, tmp_path: Path) -> None:
    """Through real stages: Ctrl-C in the autoencoder and again in the denoiser."""
    for stop in ("autoencoder", "denoiser"):
        with pytest.raises(Cancelled), _interrupted_at(stop, 2):
            train(run / "small.toml", tmp_path / "out", resume=stop == "denoiser")
    train(run / "small.toml", tmp_path / "out", resume=True)
    for stage in ("autoencoder", "denoiser"):
        whole, cut = (
            torch.load(folder / "out" / stage / "checkpoints" / "000000004" / "state.pt", weights_only=True)
            for folder in (run, tmp_path)
        )
        assert all(torch.equal(whole["module"][name], cut["module"][name]) for name in whole["module"])


@contextmanager
def _interrupted_at(stage: str, step: int) -> Iterator[None]:
    take = Loop._one_step

    def stopping(loop: Loop) -> list[Made]:
        if (loop.stage.name, loop.step) == (stage, step):
            press_ctrl_c()
        return take(loop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "_one_step", stopping)
        yield


def test_a_parent_with_longer_texts_gives_its_words_but_not_their_number(run: Path, tmp_path: Path) -> None:
    parent = open_model(run / "out" / "model")
    (tmp_path / "child.toml").write_text(
        RECIPE.replace("text_length = 16", "text_length = 8"), encoding="utf-8"
    )
    child = train(tmp_path / "child.toml", tmp_path / "out", resume=False, parent=parent)
    studio = LocalStudio(Registry(tmp_path))
    picture = studio.draw(DrawRequest(prompt="a red apple " * 9, model=str(child.path), seed=1))
    studio.close()
    assert picture.pixels.shape == (64, 64, 3)
    assert child.manifest.lineage.examples == 32


@pytest.mark.usefixtures("same_graphs")
def test_networks_of_the_same_shape_go_on_from_a_parent(run: Path, tmp_path: Path) -> None:
    """With no more than a step at a rate of almost nothing, the parent's weights come out again."""
    parent = open_model(run / "out" / "model")
    recipe = RECIPE.replace("steps = 4", "steps = 1\nlearning_rate = 1e-9").replace(
        "channels = [16, 32]", "channels = [32, 32]"
    )
    (tmp_path / "child.toml").write_text(recipe, encoding="utf-8")
    child = train(tmp_path / "child.toml", tmp_path / "out", resume=False, parent=parent)
    assert child.manifest.lineage.parent == "small@1"
    file = Path("text_encoder") / "model.safetensors"
    before, after = load_file(parent.path / file), load_file(child.path / file)
    assert all(torch.allclose(before[name], after[name], atol=1e-3) for name in before)
    before, after = (
        load_file(m.path / "unet" / "diffusion_pytorch_model.safetensors") for m in (parent, child)
    )
    assert {n: w.shape for n, w in before.items()} != {n: w.shape for n, w in after.items()}
    tokenizers = [(m.path / "tokenizer" / "tokenizer.json").read_bytes() for m in (parent, child)]
    assert tokenizers[0] == tokenizers[1]
