"""The whole way with the tiny model: its pictures are noise, its card is not."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from limner.errors import InvalidInput, NotFound
from limner.evaluation.card import Card
from limner.evaluation.run import _folder, evaluate, tasks
from limner.registry.models import open_model
from limner.storybook.prompts import FROZEN, frozen
from limner.storybook.worlds import world


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("evaluate")
    return evaluate(str(tiny_model), base / "card", seeds=2, limit=3, data_dir=base / "data")


def test_the_card_counts_every_picture(folder: Path) -> None:
    card = Card.read(folder)
    assert (card.model, card.settings.seeds, card.settings.width) == ("tiny", 2, 64)
    assert set(card.files) == set(FROZEN)
    for of in card.files.values():
        assert (of.prompts, of.all.pictures) == (3, 6)
        assert sum(rows.pictures for rows in of.subsets.values()) == 6
        assert of.chance.statements["subject"].total == of.all.statements["subject"].total
    assert card.round_trip.accuracy is not None
    assert card.true_renders.accuracy is not None
    assert card.true_renders.accuracy.true.statements["place"].total > 0


def test_the_page_needs_nothing_else(folder: Path) -> None:
    text = (folder / "card.html").read_text()
    HTMLParser().feed(text)
    assert text.count("<figure>") == 6
    assert not re.search(r"(src|href)=\"(?!data:)|url\(", text)
    assert "prefers-color-scheme: dark" in text
    for prompt in frozen("seen")[:3]:
        assert prompt.text.split('"')[0] in text


def test_a_card_that_is_missing_or_wrong(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"has no card\.json"):
        Card.read(tmp_path)
    (tmp_path / "card.json").write_text(
        (folder / "card.json").read_text().replace('"seeds": 2', '"seeds": "some"')
    )
    with pytest.raises(InvalidInput, match=r"settings\.seeds"):
        Card.read(tmp_path)


def test_a_card_of_another_world_leaves_the_models_own_alone(tiny_model: Path) -> None:
    model = open_model(tiny_model)
    assert _folder(model, world("scenes"), None) == model.path
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "mkdir", lambda *_, **__: None)
        assert _folder(model, world("creatures"), None) == Path("runs/evaluate-tiny-1-creatures")


def test_creatures_have_a_card_too(tiny_model: Path, tmp_path: Path) -> None:
    folder = evaluate(
        str(tiny_model), tmp_path / "card", seeds=1, limit=2, data_dir=tmp_path, world="creatures"
    )
    card = Card.read(folder)
    assert card.world == "creatures" and set(card.files["seen"].all.statements) == set(
        world("creatures").values
    )
    assert card.true_renders.accuracy is not None
    every = card.true_renders.accuracy.true.every
    assert every.accepted == every.total > 0
    assert "More traits" in (folder / "card.html").read_text()
    with pytest.raises(NotFound, match="known: scenes, creatures, birds"):
        evaluate(str(tiny_model), tmp_path / "card", data_dir=tmp_path, world="nowhere")


def test_shuffled_captions_are_of_other_prompts() -> None:
    prompts = frozen("seen")
    for task in tasks(world("scenes"), "seen", seeds=1):
        assert task.shuffled in [prompt.scene for prompt in prompts if prompt.id != task.prompt.id]


def test_a_model_that_draws_in_one_step_has_a_card_too(tiny_attngan: Path, tmp_path: Path) -> None:
    folder = evaluate(str(tiny_attngan), tmp_path / "card", seeds=1, limit=1, data_dir=tmp_path / "data")
    card = Card.read(folder)
    assert (card.settings.steps, card.settings.sampler, card.settings.width) == (1, "", 64)
    assert card.round_trip.accuracy is None
    text = (folder / "card.html").read_text()
    assert "64 x 64, in one step, 1 seed a prompt" in text and "has no autoencoder" in text
