"""A whole recipe in small: both stages, resumed exactly, and a model that draws."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.errors import Cancelled, InvalidInput
from limner.families.attngan import training
from limner.families.attngan.damsm_stage import DamsmStage
from limner.families.attngan.gan_stage import GanStage
from limner.families.words import Words
from limner.registry import Registry
from limner.registry.models import Model, open_model
from limner.training.run import train
from tests.training.interrupting import press_ctrl_c

from .tiny import RECIPE


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "small.toml").write_text(RECIPE, encoding="utf-8")
    train(folder / "small.toml", folder / "out", resume=False)
    return folder


def test_the_model_draws(run: Path, tmp_path: Path) -> None:
    model = open_model(run / "out" / "model")
    assert model.manifest.family == "attngan" and model.manifest.lineage.examples == 16
    assert [(size.width, size.height) for size in model.manifest.sizes] == [(64, 64), (32, 32), (16, 16)]
    studio = LocalStudio(Registry(tmp_path))
    picture = studio.draw(DrawRequest(prompt="a green creature", model=str(model.path), seed=1))
    studio.close()
    assert picture.pixels.shape == (64, 64, 3) and picture.request.steps == 1


def test_words_are_those_of_the_training_captions(run: Path) -> None:
    known = Words.read(run / "out" / "model").known
    assert open_model(run / "out" / "model").manifest.vocabulary == known
    assert "creature" in known or "monster" in known


def test_the_folder_has_what_people_look_at(run: Path) -> None:
    for stage, kept in (("damsm", ["found", "sentence", "words"]), ("gan", ["found", "sentence", "words"])):
        with Image.open(run / "out" / stage / "sheets" / "0000004.png") as page:
            assert page.width > 100
        line = (run / "out" / stage / "validation.log").read_text("utf-8").splitlines()[-1]
        assert all(name in line for name in kept)


@pytest.mark.parametrize("stage", [DamsmStage, GanStage])
def test_either_stage_resumes_exactly(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: type[DamsmStage | GanStage]
) -> None:
    out, folder = tmp_path / "out", run / "out" / "pictures"
    name = "_judge" if stage is GanStage else "loss"
    whole = getattr(stage, name)

    def stopping(self: object, step: int, *rest: object) -> object:
        if step == 1:
            press_ctrl_c()
        return whole(self, step, *rest)

    with monkeypatch.context() as patched, pytest.raises(Cancelled, match=f"{stage.name}: saved at step 2"):
        patched.setattr(stage, name, stopping)
        train(run / "small.toml", out, resume=False, folder=folder)
    with monkeypatch.context() as patched:  # what is exported is what was learned
        patched.setattr(training, "export", lambda out, *given, **more: out.mkdir())
        patched.setattr(training, "open_model", lambda path: SimpleNamespace(path=path))
        train(run / "small.toml", out, resume=True, folder=folder)
    for name in ("damsm", "gan"):
        state = Path(name) / "checkpoints" / "000000004" / "state.pt"
        first, again = (torch.load(f / state, weights_only=True) for f in (run / "out", out))
        assert all(torch.equal(first["module"][key], again["module"][key]) for key in first["module"])
        for mine, theirs in zip(first["ema"]["shadow_params"], again["ema"]["shadow_params"], strict=True):
            assert torch.equal(mine, theirs)


def test_it_starts_from_no_model_nor_does_another_family_from_it(run: Path, tmp_path: Path) -> None:
    parent: Model = open_model(run / "out" / "model")
    with pytest.raises(InvalidInput, match="starts from nothing; leave out --init"):
        train(run / "small.toml", tmp_path / "same", False, parent, run / "out" / "pictures")
    other = Path(__file__).parents[3] / "recipes" / "storybook-cpu.toml"
    with pytest.raises(InvalidInput, match="model 'small' is of family attngan, not diffusion"):
        train(other, tmp_path / "other", False, parent)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("size = 72", "size = 56", "data.size"),
        ("channels = [4, 8, 8]", "channels = [4, 8, 8, 8, 8, 8, 8]", "damsm.channels"),
        ("noise = 10", "noise = 10\naccumulation = 4", "gan.accumulation"),
        ("noise = 10", "noises = 10", "gan.noises"),
    ],
)
def test_a_recipe_that_does_not_fit_names_the_key(tmp_path: Path, old: str, new: str, named: str) -> None:
    (tmp_path / "small.toml").write_text(RECIPE.replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidInput) as raised:
        train(tmp_path / "small.toml", tmp_path / "out", resume=False)
    assert raised.value.field == named
