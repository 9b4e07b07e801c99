"""A whole recipe in small: trained, resumed exactly, exported, and at work."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.errors import Cancelled, InvalidInput
from limner.evaluation.card import Card
from limner.evaluation.run import evaluate
from limner.families.matcher import training
from limner.families.matcher.matcher import open_matcher, rerank
from limner.families.matcher.stage import MatcherStage
from limner.registry import Registry
from limner.registry.models import open_model
from limner.training.run import train
from tests.training.interrupting import press_ctrl_c

from .tiny import RECIPE


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "small.toml").write_text(RECIPE, encoding="utf-8")
    train(folder / "small.toml", folder / "out", resume=False)
    return folder


def test_what_comes_out_judges(run: Path) -> None:
    model = open_model(run / "out" / "model")
    assert model.manifest.family == "matcher" and model.manifest.lineage.examples == 24
    matcher = open_matcher(model)
    pictures = np.random.default_rng(0).integers(0, 256, (5, 40, 48, 3), np.uint8)
    vectors = matcher.embed_pictures(pictures)
    assert vectors.shape == (5, 8) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    texts = ["a green monster", "two eyes", "", "something nobody has said", "wings"]
    scores = matcher.score(pictures, texts)
    assert scores.shape == (5,) and (abs(scores) <= 1).all()
    best = rerank(matcher, texts[0], list(pictures))
    assert best == int((vectors @ matcher.embed_texts(texts[:1])[0]).argmax())


def test_it_draws_nothing_and_says_so(run: Path, tmp_path: Path) -> None:
    path = str(run / "out" / "model")
    studio = LocalStudio(Registry(tmp_path))
    with pytest.raises(InvalidInput, match="judges pictures and draws none"):
        studio.draw(DrawRequest(prompt="a monster", model=path, seed=1))
    studio.close()
    with_it = LocalStudio(Registry(tmp_path, [open_model(Path(path))]))
    assert "small-matcher" not in {model.name for model in with_it.models()}
    with_it.close()


def test_the_folder_has_what_people_look_at(run: Path) -> None:
    with Image.open(run / "out" / "matcher" / "sheets" / "0000004.png") as page:
        assert page.width > 100
    line = (run / "out" / "matcher" / "validation.log").read_text("utf-8").splitlines()[-1]
    assert all(name in line for name in ("loss", "found", "told_apart", "scale"))


def test_it_resumes_exactly(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, folder, whole = tmp_path / "out", run / "out" / "pictures", MatcherStage.loss

    def stopping(self: MatcherStage, step: int, *rest: object) -> object:
        if step == 1:
            press_ctrl_c()
        return whole(self, step, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, pytest.raises(Cancelled, match="matcher: saved at step 2"):
        patched.setattr(MatcherStage, "loss", stopping)
        train(run / "small.toml", out, resume=False, folder=folder)
    with monkeypatch.context() as patched:  # what is exported is what was learned
        patched.setattr(training, "export", lambda out, *given, **more: out.mkdir())
        patched.setattr(training, "open_model", lambda path: SimpleNamespace(path=path))
        train(run / "small.toml", out, resume=True, folder=folder)
    state = Path("matcher") / "checkpoints" / "000000004" / "state.pt"
    first, again = (torch.load(f / state, weights_only=True) for f in (run / "out", out))
    assert all(torch.equal(first["module"][key], again["module"][key]) for key in first["module"])
    for mine, theirs in zip(first["ema"]["shadow_params"], again["ema"]["shadow_params"], strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("size = 32", "size = 40\nstorybook_seed = 5", None),
        ("size = 32", "size = 56", None),
        ("channels = [4, 8]", "channels = [4, 8, 8, 8, 8]", "data.size"),
        ("heads = 2", "heads = 3", "matcher.heads"),
        ("wrong = 2", "wrong = 2\naccumulation = 6", "matcher.accumulation"),
        ("wrong = 2", "wrongs = 2", "matcher.wrongs"),
    ],
)
def test_a_recipe_that_does_not_fit_names_the_key(
    tmp_path: Path, old: str, new: str, named: str | None
) -> None:
    from limner.training.recipe import read_recipe

    (tmp_path / "small.toml").write_text(RECIPE.replace(old, new), encoding="utf-8")
    if named is None:
        read_recipe(tmp_path / "small.toml")
        return
    with pytest.raises(InvalidInput) as raised:
        read_recipe(tmp_path / "small.toml")
    assert raised.value.field == named


def test_it_starts_from_no_model(run: Path, tmp_path: Path) -> None:
    parent = open_model(run / "out" / "model")
    with pytest.raises(InvalidInput, match="starts from nothing; leave out --init"):
        train(run / "small.toml", tmp_path / "same", False, parent, run / "out" / "pictures")


def test_what_was_learned_stays_where_a_model_to_start_from_is_refused(run: Path, tmp_path: Path) -> None:
    parent = open_model(shutil.copytree(run / "out" / "model", tmp_path / "parent"))
    (tmp_path / "other.toml").write_text(
        RECIPE.replace("size = 32", "size = 32\nstorybook_seed = 5"), encoding="utf-8"
    )
    pictures = sorted((run / "out" / "pictures").rglob("*.png"))
    with pytest.raises(InvalidInput, match="leave out --init") as raised:
        train(tmp_path / "other.toml", run / "out", False, parent)
    assert raised.value.field == "init"
    assert list((run / "out" / "matcher" / "checkpoints").iterdir())
    assert pictures and all(file.is_file() for file in pictures)


def test_what_was_trained_is_evaluated_by_the_same_command(run: Path, tmp_path: Path) -> None:
    folder = evaluate(str(run / "out" / "model"), tmp_path / "card", count=4, data_dir=tmp_path)
    card = Card.read(folder)
    assert card.world == "creatures", "the world that it has learned"
    assert {"retrieval-seen", "told-apart"} <= {score.id for score in card.scores}
    assert (card.cost.training_examples, card.scores[0].encoder) == (24, "small-matcher@1")
