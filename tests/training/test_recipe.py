"""Recipes: the shipped ones are valid, wrong keys and values are named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from limner.errors import InvalidInput, NotFound
from limner.families.diffusion.recipe import Training
from limner.training.recipe import read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*.toml")), ids=lambda file: file.stem)
def test_shipped_recipes_are_valid(file: Path) -> None:
    assert read_recipe(file).model_dump()["model"]["version"]


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*-gpu.toml")), ids=lambda file: file.stem)
def test_recipes_for_a_gpu_say_how_they_are_run_and_what_they_cost(file: Path) -> None:
    head = file.read_text("utf-8").partition("\n\n")[0]
    assert f"limner train recipes/{file.name}" in head
    assert "Reckoned, not measured" in head or re.search(r"\d+ s of one H200", head)


def test_the_recipe_to_go_on_by_has_the_networks_of_the_one_to_begin_by() -> None:
    begun, on = (read_recipe(RECIPES / name) for name in ("storybook-gpu.toml", "storybook-on-gpu.toml"))
    assert isinstance(begun, Training) and isinstance(on, Training)
    assert on.autoencoder.steps == 0 and on.autoencoder.channels == begun.autoencoder.channels
    shape = (
        "channels", "layers", "heads", "attention_from", "pooled_text", "layout", "text_layers", "text_width",
        "text_heads", "text_length", "vocabulary_size",
    )  # fmt: skip
    assert all(getattr(on.denoiser, key) == getattr(begun.denoiser, key) for key in shape)


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
        line
        for line in (RECIPES / "storybook-cpu.toml").read_text("utf-8").splitlines()
        if not line.startswith(key)
    ]
    file.write_text("\n".join(lines).replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidInput, match=named) as raised:
        read_recipe(file)
    assert raised.value.field == named and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("table", "changed", "named"),
    [
        ("denoiser", {"accumulation": 5}, "denoiser.accumulation"),
        ("autoencoder", {"crop": 36}, "autoencoder.crop"),
        ("autoencoder", {"crop": 24, "scale_weight": 0.5}, "autoencoder.crop"),
        ("autoencoder", {"channels": [16, 20]}, "autoencoder.channels"),
        ("autoencoder", {"channels": []}, "autoencoder.channels"),
        ("denoiser", {"channels": [64, 100]}, "denoiser.channels"),
        ("denoiser", {"heads": 7}, "denoiser.heads"),
        ("denoiser", {"attention_from": 3}, "denoiser.attention_from"),
        ("denoiser", {"text_heads": 5}, "denoiser.text_heads"),
        ("data", {"size": 104}, "data.size"),
        ("model", {"sampler": {"guidance_interval": [0.8, 0.2]}}, "model.sampler.guidance_interval"),
    ],
)
def test_keys_that_do_not_fit_together_are_named(
    tmp_path: Path, table: str, changed: dict[str, object], named: str
) -> None:
    values = read_recipe(RECIPES / "storybook-cpu.toml").model_dump(mode="json", exclude_none=True)
    values[table] |= changed
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for name, entries in values.items():
        if isinstance(entries, dict):
            lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in entries.items())]
    (tmp_path / "wrong.toml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InvalidInput) as raised:
        read_recipe(tmp_path / "wrong.toml")
    assert raised.value.field == named and named in str(raised.value) and "\n" not in str(raised.value)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + " }"
    return json.dumps(value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('family = "poems"\n[data]', "family"),
        ("[data]\n[tuning]\nsteps = 3\nrank = 0", "tuning.rank"),
        ('[data]\n[tuning]\nsteps = 3\nmethod = "lora"\noptimizer = "adafactor"', "tuning.optimizer"),
        ('[data]\n[tuning]\nsteps = 3\n[model]\nname = "No Name"', "model.name"),
        (
            'family = "parti"\n[data]\n[tokenizer]\nsteps = 3\ngradient_checkpointing = true',
            "tokenizer.gradient_checkpointing",
        ),
    ],
)
def test_other_kinds_of_recipe_are_checked_too(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "wrong.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput) as raised:
        read_recipe(tmp_path / "wrong.toml")
    assert raised.value.field == named and "\n" not in str(raised.value)


def test_a_file_that_is_not_there_or_not_toml(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing\.toml"):
        read_recipe(tmp_path / "nothing.toml")
    (tmp_path / "broken.toml").write_text("[data\n", encoding="utf-8")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    for name in ("broken", "bytes"):
        with pytest.raises(InvalidInput, match="not valid TOML"):
            read_recipe(tmp_path / f"{name}.toml")
