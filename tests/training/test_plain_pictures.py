"""Pictures with captions and without masks: what can learn from them, and what says that it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.errors import InvalidInput
from limner.training.loop import Loop
from limner.training.places import check_outside
from limner.training.run import train
from tests.data.pictures import picture
from tests.training.test_run import RECIPE


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Four pictures, each with a caption in a file beside it."""
    folder = tmp_path / "plain"
    folder.mkdir()
    for seed in range(4):
        picture(seed).save(folder / f"{seed}.png")
        (folder / f"{seed}.txt").write_text(f"a thing of mine, number {seed}\n", encoding="utf-8")
    return folder


def test_a_layout_is_refused_before_anything_is_made_of_them(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(RECIPE, encoding="utf-8")
    way_out = r"layout = false in \[denoiser\], or train recipes/captioned-cpu"
    with pytest.raises(InvalidInput, match=way_out) as raised:
        train(tmp_path / "small.toml", tmp_path / "out", resume=False, folder=plain)
    assert raised.value.field == "denoiser.layout" and not (tmp_path / "out" / "cache").exists()


def test_what_was_learned_stays_where_a_layout_is_refused(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(RECIPE, encoding="utf-8")
    learned = tmp_path / "out" / "autoencoder"
    learned.mkdir(parents=True)
    (tmp_path / "out" / "recipe.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"layout = false in \[denoiser\]"):
        train(tmp_path / "small.toml", tmp_path / "out", resume=False, folder=plain)
    assert learned.is_dir()


def test_a_run_does_not_lie_among_pictures_that_are_all_learned_from(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(RECIPE, encoding="utf-8")
    for out in (plain, plain / "runs" / "small"):
        with pytest.raises(InvalidInput, match=r"lies in .*plain, .* name a folder elsewhere with --out"):
            train(tmp_path / "small.toml", out, resume=False, folder=plain)
    assert not (plain / "runs").exists() and not (plain / "recipe.json").exists()
    (plain / "metadata.jsonl").write_text('{"file_name": "0.png", "text": "a thing"}\n', encoding="utf-8")
    check_outside(plain, plain / "runs" / "small")  # a table says which are


def test_the_recipe_for_them_takes_them(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as the autoencoder's first step."""

    class BegunError(Exception): ...

    def begun(self: Loop, resume: bool) -> None:
        assert self.folder == tmp_path / "out" / "autoencoder"
        raise BegunError

    monkeypatch.setattr(Loop, "run", begun)
    recipe = Path(__file__).parents[2] / "recipes" / "captioned-cpu.toml"
    with pytest.raises(BegunError):
        train(recipe, tmp_path / "out", resume=False, folder=plain)
