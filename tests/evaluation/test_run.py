"""The whole way with the tiny model: its pictures are noise, its card is not."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest

from limner.data import write_storybook
from limner.errors import InvalidInput, NotFound, Unavailable
from limner.evaluation import comparing, run
from limner.evaluation.asking import asked, tasks
from limner.evaluation.card import Card
from limner.evaluation.material import material_of
from limner.evaluation.page import page
from limner.evaluation.run import evaluate, folder_of
from limner.families.parti.export import export
from limner.families.parti.image_tokenizer import ImageTokenizer
from limner.families.parti.shape import Subjects
from limner.registry import Manifest
from limner.registry.manifest import TokenDefaults
from limner.registry.models import BUILT_IN, open_model
from limner.storybook.prompts import FROZEN, frozen
from limner.storybook.worlds import world
from tests.families.parti.tiny import IMAGE, LINEAGE, TEXT, make_transformer


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of all tests of this file: what one has compiled the next reads."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def folder(tiny_model: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluate") / "card"
    return evaluate(str(tiny_model), out, seeds=2, count=3, data_dir=home, data="scenes")


def test_the_card_counts_every_picture(folder: Path) -> None:
    card = Card.read(folder)
    assert card.settings is not None and card.round_trip is not None and card.true_renders is not None
    assert (card.model, card.settings.seeds, card.settings.width) == ("tiny", 2, 64)
    if sys.platform == "linux":
        assert card.cost.memory is not None and card.cost.memory > 10
    assert set(card.files) == set(FROZEN)
    for of in card.files.values():
        assert (of.prompts, of.all.pictures) == (3, 6)
        assert sum(rows.pictures for rows in of.subsets.values()) == 6
        assert of.chance.statements["subject"].total == of.all.statements["subject"].total
    assert card.round_trip.accuracy is not None
    assert card.true_renders.accuracy is not None
    assert card.true_renders.accuracy.true.statements["place"].total > 0


def test_the_page_needs_nothing_else(folder: Path) -> None:
    text = (folder / "card.html").read_text("utf-8")
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
        (folder / "card.json").read_text("utf-8").replace('"seeds": 2', '"seeds": "some"'), encoding="utf-8"
    )
    with pytest.raises(InvalidInput, match=r"settings\.seeds"):
        Card.read(tmp_path)


def test_a_card_of_another_world_leaves_the_models_own_alone(tiny_model: Path) -> None:
    model = open_model(tiny_model)
    asked_of = ((None, None), ("creatures", None), (None, "six"))
    own, other, six = (material_of(model, data, prompts, 1) for data, prompts in asked_of)
    assert folder_of(model, own, None) == model.path
    assert folder_of(model, other, None) == Path("runs/evaluate-tiny-1-creatures")
    assert folder_of(model, six, None) == Path("runs/evaluate-tiny-1-six")
    recipe = '{"data": {"storybook_world": "creatures", "storybook_count": 9, "held_out": 0.1}}'
    lineage = model.manifest.lineage.model_copy(update={"recipe": recipe})
    tuned = replace(model, manifest=model.manifest.model_copy(update={"lineage": lineage}))
    assert folder_of(tuned, other, None) == tuned.path, "it has learned creatures"
    assert folder_of(tuned, own, None) == Path("runs/evaluate-tiny-1-scenes")


def test_creatures_have_a_card_too(tiny_model: Path, home: Path, tmp_path: Path) -> None:
    folder = evaluate(str(tiny_model), tmp_path / "card", seeds=1, count=2, data_dir=home, data="creatures")
    card = Card.read(folder)
    assert card.world == "creatures" and set(card.files["seen"].all.statements) == set(
        world("creatures").values
    )
    assert card.true_renders is not None and card.true_renders.accuracy is not None
    every = card.true_renders.accuracy.true.every
    assert every.accepted == every.total > 0
    assert "More traits" in (folder / "card.html").read_text("utf-8")
    with pytest.raises(NotFound, match="or a world: scenes, creatures, birds"):
        evaluate(str(tiny_model), tmp_path / "card", data_dir=home, data="nowhere")


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_drawn(
    tiny_model: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for module in (run, comparing):
        monkeypatch.setattr(module, "evaluated", lambda *given: pytest.fail("it began to draw"))
    with pytest.raises(Unavailable, match=r"cannot write into .*file/card' \(Not a directory\)"):
        evaluate(str(tiny_model), tmp_path / "file" / "card", data_dir=home, data="scenes")
    other = shutil.copytree(tiny_model, tmp_path / "other")
    Manifest.read(other).model_copy(update={"name": "other"}).write(other)
    with pytest.raises(Unavailable, match="cannot write into"):
        comparing.compare([str(tiny_model), str(other)], tmp_path / "file", data_dir=home, data="scenes")


def test_shuffled_captions_are_of_other_prompts() -> None:
    prompts = frozen("seen")
    for task in tasks(world("scenes"), asked(prompts, seeds=1)):
        assert task.shuffled in [prompt.scene for prompt in prompts if prompt.id != task.prompt.id]


def test_a_model_that_draws_in_one_step_has_a_card_too(
    tiny_attngan: Path, home: Path, tmp_path: Path
) -> None:
    folder = evaluate(str(tiny_attngan), tmp_path / "card", seeds=1, count=1, data_dir=home)
    card = Card.read(folder)
    assert card.settings is not None and card.round_trip is not None
    assert (card.settings.steps, card.settings.sampler, card.settings.width) == (1, "", 64)
    assert card.round_trip.accuracy is None
    text = (folder / "card.html").read_text("utf-8")
    assert "64 x 64, in one step, 1 seed a prompt" in text and "has no autoencoder" in text


def test_the_round_trip_of_a_model_that_plans_is_told_not_to_be_its_most(
    tiny_parti: Path, home: Path, tmp_path: Path
) -> None:
    planner = export(
        tmp_path / "planner", TEXT, ImageTokenizer(IMAGE, planned=True).eval(),
        make_transformer(subjects=Subjects(most=1, names=("subject", "cat"), drawings=1)),
        name="planner", version="1", title="Planner", description="Random weights, for tests.", lineage=LINEAGE,
        defaults=TokenDefaults(steps=IMAGE.side, top_k=8),
    ).path  # fmt: skip
    notes = []
    for model in (tiny_parti, planner):
        folder = evaluate(
            str(model), tmp_path / model.name / "card", seeds=1, count=1, data_dir=home, data="scenes"
        )
        back = Card.read(folder).round_trip
        assert back is not None and back.accuracy is not None
        notes.append(back.note)
        told = (folder / "card.html").read_text("utf-8")
        assert ("Autoencoder round trips: the decoder is told nothing of a plan here" in told) == bool(
            back.note
        )
    assert notes[0] is None and notes[1] is not None


def test_the_shipped_card_still_reads_and_has_a_page(tmp_path: Path) -> None:
    card = Card.read(BUILT_IN / "storybook")
    assert card.settings is not None and not card.missing
    scores = {score.id: score for score in card.scores}
    assert {"kid", "frechet", "r-precision", "match-score", "inception-score", "diversity"} <= set(scores)
    assert all(score.encoder == "matcher-scenes@1" and score.n == 1500 for score in scores.values())
    text = page(card, {"seen": []})
    assert "Statements that hold" in text and f"{card.cost.memory:,} MB held at most" in text
    assert all(score.title in text for score in card.scores)


def test_a_card_with_an_encoder_says_all_that_each_score_depends_on(
    tiny_model: Path, tiny_matcher: Path, home: Path, tmp_path: Path
) -> None:
    folder = evaluate(
        str(tiny_model),
        tmp_path / "card",
        seeds=2,
        count=4,
        data_dir=home,
        data="scenes",
        matcher=str(tiny_matcher),
    )
    card = Card.read(folder)
    ids = {score.id for score in card.scores}
    assert ids == {"kid", "frechet", "r-precision", "match-score", "inception-score", "diversity"}
    assert card.missing == {"nearest-learned": "what the model learned from is not here"}
    for score in card.scores:
        assert score.encoder == "tiny-matcher@1" and len(score.encoder_hash) == 16 and score.n == 16
        assert score.model == "tiny@1" and card.bench is not None and score.data == card.bench.hash
        assert score.resize == "middle square, lanczos to 32 px"
    text = (folder / "card.html").read_text("utf-8")
    HTMLParser().feed(text)
    assert "Match score" in text and "FID" not in text and "CLIP score" not in text
    assert not re.search(r"(src|href)=\"(?!data:)|url\(", text)


def test_sentences_have_a_card_without_a_checker(
    tiny_model: Path, tiny_matcher: Path, home: Path, tmp_path: Path
) -> None:
    folder = evaluate(
        str(tiny_model),
        tmp_path / "card",
        seeds=1,
        data_dir=home,
        prompts="six",
        matcher=str(tiny_matcher),
    )
    card = Card.read(folder)
    assert card.world is None and card.files == {} and card.true_renders is None
    assert [score.id for score in card.scores] == ["match-score"] and "kid" in card.missing
    text = (folder / "card.html").read_text("utf-8")
    assert text.count("<figure>") == 6 and "needs 100 texts" in text


def test_a_captioned_set_is_asked_and_held_against(
    tiny_model: Path, tiny_matcher: Path, home: Path, tmp_path: Path
) -> None:
    pictures = write_storybook(tmp_path / "creatures", 60, 32, 3, world="creatures")
    folder = evaluate(
        str(tiny_model), tmp_path / "card", seeds=1, count=20, data_dir=home, data=str(pictures),
        matcher=str(tiny_matcher),
    )  # fmt: skip
    card = Card.read(folder)
    assert set(card.files) == {"set"} and card.files["set"].prompts == 20 and card.round_trip is None
    assert {"kid", "r-precision"} <= {score.id for score in card.scores}
    (pictures / "storybook.json").unlink()
    again = evaluate(
        str(tiny_model), tmp_path / "other", seeds=1, count=20, data_dir=home, data=str(pictures),
        matcher=str(tiny_matcher),
    )  # fmt: skip
    card = Card.read(again)
    assert card.files == {} and card.missing["inception-score"] == "no classes are known"
    r_precision = next(score for score in card.scores if score.id == "r-precision")
    assert "captions of other pictures" in (r_precision.note or "")


def test_a_matcher_has_a_card_of_true_pictures(tiny_matcher: Path, home: Path, tmp_path: Path) -> None:
    folder = evaluate(str(tiny_matcher), tmp_path / "card", count=6, data_dir=home, data="scenes")
    card = Card.read(folder)
    ids = [score.id for score in card.scores]
    assert ids[:3] == ["retrieval-seen", "retrieval-held_out", "told-apart"] and "told-apart-colour" in ids
    assert card.settings is None and card.scores[0].n == 6
    text = (folder / "card.html").read_text("utf-8")
    assert "A matcher draws nothing" in text and "One atom falsified, by its kind" in text


def test_fid_without_what_it_needs_is_refused_in_a_line(tiny_model: Path, home: Path, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.pth"
    with pytest.raises(NotFound, match=r"Inception's weights '.*nowhere\.pth' not found"):
        evaluate(str(tiny_model), tmp_path / "card", data_dir=home, data="scenes", inception=missing)
    if find_spec("torch_fidelity") is None:
        missing.write_bytes(b"")
        with pytest.raises(Unavailable, match="not installed: pip install"):
            evaluate(str(tiny_model), tmp_path / "card", data_dir=home, data="scenes", inception=missing)
