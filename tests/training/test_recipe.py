"""Recipes: the shipped ones are valid, wrong keys and values are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.errors import InvalidInput, NotFound
from limner.training.recipe import read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*.toml")), ids=lambda file: file.stem)
def test_shipped_recipes_are_valid(file: Path) -> None:
    assert read_recipe(file).model.name


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("[denoiser]", "[denoiser]\nlearning_rat = 0.1", "denoiser.learning_rat"),
        ("[denoiser]", "[denoiser]\ncaption_dropout = 1.5", "denoiser.caption_dropout"),
        ("[autoencoder]", "[autoencoder]\nlatent_channels = 0", "autoencoder.latent_channels"),
        ("[data]", "[data]\nholdout = 3", "data.holdout"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    file = tmp_path / "wrong.toml"
    key = new.splitlines()[1].split("=")[0]
    lines = [
        line for line in (RECIPES / "storybook-cpu.toml").read_text().splitlines() if not line.startswith(key)
    ]
    file.write_text("\n".join(lines).replace(old, new))
    with pytest.raises(InvalidInput, match=named) as raised:
        read_recipe(file)
    assert raised.value.field == named and "\n" not in str(raised.value)


def test_a_file_that_is_not_there_or_not_toml(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing\.toml"):
        read_recipe(tmp_path / "nothing.toml")
    (tmp_path / "broken.toml").write_text("[data\n")
    with pytest.raises(InvalidInput, match="not valid TOML"):
        read_recipe(tmp_path / "broken.toml")
