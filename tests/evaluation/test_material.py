"""What is asked of a model and what it is held against: worlds, captioned sets, sentences; and what it has learned
from."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limner.data import mixed, read_set, split, write_storybook
from limner.errors import InvalidInput, NotFound
from limner.evaluation import lineage
from limner.evaluation.captioned import Captioned
from limner.evaluation.lineage import Told, nearest_by_words, past_of
from limner.evaluation.material import Frozen, Sentences, material_of, shared
from limner.evaluation.run import folder_of
from limner.registry.manifest import Parted
from limner.registry.models import Model, open_model
from limner.storybook.render import render
from limner.storybook.worlds import world


def with_lineage(
    model: Path, recipe: object, data_hash: str = "none", before: tuple[Parted, ...] = ()
) -> Model:
    found = open_model(model)
    lineage = found.manifest.lineage.model_copy(
        update={"recipe": json.dumps(recipe), "data_hash": data_hash, "before": before}
    )
    return replace(found, manifest=found.manifest.model_copy(update={"lineage": lineage}))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_storybook(tmp_path_factory.mktemp("set") / "scenes", 24, 32, 5)


def test_a_world_is_asked_its_frozen_prompts_and_true_pictures_are_drawn_to_them(tiny_model: Path) -> None:
    material = material_of(open_model(tiny_model), "birds", None, 3)
    assert isinstance(material, Frozen) and [len(prompts) for prompts in material.files.values()] == [3, 3]
    first, second = (material.real(copy, 8, 32) for copy in (0, 1))
    assert [pair.text for pair in first] == [pair.text for pair in second]
    assert first[0].text == first[6].text == material.files["seen"][0].text
    pictures = [pair.pixels.tobytes() for pair in (*first, *second)]
    assert len(set(pictures)) == 16, "no picture comes twice, in a copy or in both"
    again = material.real(0, 2, 32)
    assert np.array_equal(again[1].pixels, first[1].pixels)
    other = material_of(open_model(tiny_model), "birds", None, 2)
    assert len(material.hash) == 16 and material.hash != other.hash


def test_fresh_prompts_of_a_world_are_none_of_its_frozen_ones(tiny_model: Path) -> None:
    model = open_model(tiny_model)
    fresh = material_of(model, "creatures", "fresh", 5)
    assert isinstance(fresh, Frozen) and fresh.name == "creatures-fresh" and fresh.world is world("creatures")
    (prompts,) = fresh.files.values()
    frozen = {prompt.text for name in ("seen", "held_out") for prompt in fresh.world.frozen(name)}
    assert len({prompt.text for prompt in prompts} - frozen) == 5
    assert material_of(model, "creatures", "fresh", 5).hash == fresh.hash
    assert material_of(model, None, "fresh", None).name == "scenes-fresh"
    assert folder_of(model, fresh, None) != model.path, "a card of its own is of frozen prompts"
    with pytest.raises(NotFound, match="world 'nowhere' not found"):
        material_of(model, "nowhere", "fresh", None)


def test_without_a_name_it_is_the_world_that_the_model_learned(tiny_model: Path) -> None:
    assert material_of(open_model(tiny_model), None, None, 1).name == "scenes"
    learned = with_lineage(
        tiny_model,
        {
            "seed": 3,
            "data": {"folder": None, "storybook_world": "birds", "storybook_count": 9, "held_out": 0.1},
        },
    )
    assert material_of(learned, None, None, 1).name == "birds"


def test_of_a_set_that_storybook_wrote_it_is_known_what_prompts_say(tiny_model: Path, scenes: Path) -> None:
    material = material_of(open_model(tiny_model), str(scenes), None, 5)
    assert isinstance(material, Captioned) and material.world is world("scenes")
    assert len(material.files["set"]) == 5 and len(material.held_out) + len(material.others) == 24
    held_out, others = ({item.file for item in part} for part in (material.held_out, material.others))
    assert not held_out & others and material.learned() is None
    for pair, prompt in zip(material.real(0, 5, 32), material.files["set"], strict=True):
        assert pair.text == prompt.text and prompt.scene is not None
        assert pair.shown == prompt.scene
    assert len(material.real(0, 99, 32)) == 5, "true pictures are those that are asked about"


def test_of_pictures_of_the_seed_that_a_recipe_drew_only_further_ones_are_asked(
    tiny_model: Path, scenes: Path
) -> None:
    def asked(**data: object) -> set[str]:
        told = {"folder": None, "storybook_count": 7, "storybook_seed": 5, "held_out": 0.1} | data
        material = material_of(with_lineage(tiny_model, {"seed": 0, "data": told}), str(scenes), None, None)
        assert isinstance(material, Captioned)
        return {item.file.stem for item in (*material.held_out, *material.others)}

    every = {f"{number:06d}" for number in range(24)}
    assert asked() == every - {f"{number:06d}" for number in range(7)}
    assert asked(storybook_seed=6) == asked(storybook_drawings="one") == every
    with pytest.raises(
        InvalidInput, match=r"first 24 pictures of scenes of seed 5, and .* draw some with another --seed"
    ):
        asked(storybook_count=24)


def test_of_a_set_that_the_model_learned_from_only_what_was_held_out_is_asked(
    tiny_model: Path, scenes: Path
) -> None:
    whole = read_set(scenes)
    model = with_lineage(
        tiny_model, {"seed": 3, "data": {"folder": str(scenes), "held_out": 0.25}}, whole.content_hash()
    )
    material = material_of(model, str(scenes), None, None)
    learned, held_out = split(whole.items, 0.25, 3)
    assert isinstance(material, Captioned)
    learned, held_out = mixed(learned), mixed(held_out)
    assert (material.held_out, material.others, material.learned()) == (held_out, learned, learned)
    past = past_of(model, material.learned(), 32, None)
    assert past.pictures.shape == (len(learned), 32, 32, 3) and past.captions[0] == learned[0].captions


def test_a_set_that_was_changed_since_it_was_learned_from_keeps_its_parts(
    tiny_model: Path, scenes: Path, tmp_path: Path
) -> None:
    """A caption mended, and a picture that is new: only that one and those held out may be asked about."""
    folder = shutil.copytree(scenes, tmp_path / "set")
    whole = read_set(folder)
    recipe = {"seed": 3, "data": {"folder": str(folder), "held_out": 0.25}}
    model = with_lineage(tiny_model, recipe, whole.content_hash())
    learned = {item.file for item in split(whole.items, 0.25, 3)[0]}
    table = folder / "metadata.jsonl"
    rows = [json.loads(line) for line in table.read_text("utf-8").splitlines()]
    mended = next(row for row, item in zip(rows, whole.items, strict=True) if item.file not in learned)
    mended["note"] = "looked at again"
    noise = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(folder / "images" / "new.png")
    rows.append({"file_name": "images/new.png", "text": "a red apple"})
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    material = material_of(model, str(folder), None, None)
    assert isinstance(material, Captioned) and read_set(folder).content_hash() != whole.content_hash()
    asked = {item.file for item in material.held_out}
    assert asked and not asked & learned
    elsewhere = material_of(model, str(scenes), None, None)
    assert isinstance(elsewhere, Captioned) and elsewhere.known is not None, "the same set, wherever it lies"


def test_without_a_name_it_is_the_pictures_that_the_model_learned(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for k in range(8):
        noise = np.random.default_rng(k).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{k}.png")
        (folder / f"{k}.txt").write_text(f"picture {k}", encoding="utf-8")
    recipe = {"data": {"folder": str(folder), "held_out": 0.25}}
    model = with_lineage(tiny_model, recipe, read_set(folder).content_hash())
    material = material_of(model, None, None, None)
    assert isinstance(material, Captioned) and len(material.held_out) == 2
    monkeypatch.chdir(tmp_path)
    assert folder_of(model, material, None) == Path("runs/evaluate-tiny-1-mine")
    scenes = material_of(model, "scenes", None, 1)
    assert folder_of(model, scenes, None) == Path("runs/evaluate-tiny-1-scenes"), "no card of its own"
    shutil.rmtree(folder)
    with pytest.raises(InvalidInput, match="which is not here; say by --data what to ask"):
        material_of(model, None, None, None)


def test_what_an_ancestor_learned_from_is_not_new_to_its_children(tiny_model: Path, scenes: Path) -> None:
    """A student of its own sentences, and one tuned on the same set in another split."""
    whole = read_set(scenes)
    recipe = {"seed": 3, "data": {"folder": str(scenes), "held_out": 0.25}}
    first = with_lineage(tiny_model, recipe, whole.content_hash())
    learned, held_out = split(whole.items, 0.25, 3)
    before = first.manifest.lineage.learned()
    student = with_lineage(tiny_model, {"steps": 9}, "sentences", before)
    material = material_of(student, str(scenes), None, None)
    assert isinstance(material, Captioned)
    assert (material.held_out, material.learned()) == (mixed(held_out), mixed(learned))
    tuned = with_lineage(tiny_model, recipe | {"seed": 4}, whole.content_hash(), before)
    both = material_of(tuned, str(scenes), None, None)
    again = split(whole.items, 0.25, 4)[1]
    new = tuple(item for item in held_out if item in again)
    assert isinstance(both, Captioned) and 0 < len(new) < len(held_out) and both.held_out == mixed(new)
    assert both.learned() == mixed([item for item in whole.items if item not in new])


def test_of_any_other_set_a_caption_is_asked_of_which_nothing_is_known(
    tiny_model: Path, tmp_path: Path
) -> None:
    for number in range(6):
        picture = np.random.default_rng(number).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.txt").write_text(
            f"noise of number {number}\nanother way to say it\n", encoding="utf-8"
        )
    material = material_of(open_model(tiny_model), str(tmp_path), None, None)
    assert material.world is None and all(prompt.scene is None for prompt in material.files["set"])
    assert len(material.texts()) == 12 and material.real(1, 3, 32)[0].shown is None
    assert material.same(f"noise of number {0}") == {"noise of number 0", "another way to say it"}


def test_a_caption_that_cannot_be_asked_for_is_passed_over(tiny_model: Path, tmp_path: Path) -> None:
    long, model = "word " * 201, open_model(tiny_model)
    for number in range(8):
        Image.new("RGB", (40, 40), (number, 0, 0)).save(tmp_path / f"{number}.png")
        said = [long, f"thing\x07{number}", *([f"thing {number}"] if number % 2 else [])]
        (tmp_path / f"{number}.txt").write_text("\n".join(said), encoding="utf-8")
    material = material_of(model, str(tmp_path), None, None)
    assert isinstance(material, Captioned)
    kept = {int(item.file.stem) for item in (*material.held_out, *material.others)}
    assert kept == {1, 3, 5, 7} and material.held_out
    prompts = material.files["set"]
    assert [prompt.text for prompt in prompts] == [f"thing {item.file.stem}" for item in material.held_out]
    pairs = material.real(0, 8, 32)
    assert [pair.text for pair in pairs] == [prompt.text for prompt in prompts]
    assert [int(pair.pixels[0, 0, 0]) for pair in pairs] == [int(i.file.stem) for i in material.held_out]
    for number in range(8):
        (tmp_path / f"{number}.txt").write_text(long, encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"caption that can be asked for: .* at most 1000 letters"):
        material_of(model, str(tmp_path), None, None)


def test_of_a_set_in_order_what_is_asked_is_of_all_of_it(tiny_model: Path, tmp_path: Path) -> None:
    """Eighty pictures of a kind after eighty of another, as CUB lists its kinds."""
    rng = np.random.default_rng(0)
    for number in range(160):
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).save(tmp_path / f"{number:03d}.png")
        (tmp_path / f"{number:03d}.txt").write_text(f"kind {number // 80}, {number}", encoding="utf-8")
    material = material_of(open_model(tiny_model), str(tmp_path), None, 20)
    assert isinstance(material, Captioned)
    for texts in (
        [prompt.text for prompt in material.files["set"]],
        [p.text for p in material.real(1, 20, 8)],
    ):
        kinds = [text[: len("kind 0")] for text in texts]
        assert len(kinds) == 20 and 3 <= kinds.count("kind 0") <= 17


def test_what_a_model_knows_no_word_of_is_not_asked_or_refused_before_anything_is_drawn(
    tiny_model: Path, tiny_attngan: Path, tmp_path: Path
) -> None:
    for number in range(8):
        Image.new("RGB", (40, 40), (30 * number, 0, 0)).save(tmp_path / f"{number}.png")
        said = "🐦" if number % 2 else "a red bird"
        (tmp_path / f"{number}.txt").write_text(said, encoding="utf-8")
    bird, free = (
        material_of(open_model(model), str(tmp_path), None, None) for model in (tiny_attngan, tiny_model)
    )
    assert {prompt.text for prompt in bird.files["set"]} == {"a red bird"}
    assert "🐦" in {prompt.text for prompt in free.files["set"]}
    both = shared([free, bird], None)
    assert [{prompt.text for prompt in one.files["set"]} for one in both] == [{"a red bird"}] * 2
    (tmp_path / "mine.txt").write_text("a red bird\n🐦\n", encoding="utf-8")
    with pytest.raises(
        InvalidInput, match=r"prompt sentences-001 cannot be asked for: .* knows no word of '🐦'"
    ):
        material_of(open_model(tiny_attngan), None, str(tmp_path / "mine.txt"), None)


def test_models_that_are_compared_are_asked_the_same_of_pictures_new_to_all(
    tiny_model: Path, scenes: Path
) -> None:
    whole = read_set(scenes)
    recipes = [{"seed": seed, "data": {"folder": str(scenes), "held_out": 0.5}} for seed in (3, 4)]
    learned = [with_lineage(tiny_model, recipe, whole.content_hash()) for recipe in recipes]
    models = [*learned, open_model(tiny_model)]
    apart = [material_of(model, str(scenes), None, None) for model in models]
    same = shared(apart, None)
    asked = [[prompt.text for prompt in material.files["set"]] for material in same]
    assert asked[0] == asked[1] == asked[2] and 0 < len(asked[0]) < 12
    for before, material in zip(apart, same, strict=True):
        assert isinstance(before, Captioned) and isinstance(material, Captioned)
        assert {item.file for item in material.held_out} <= {item.file for item in before.held_out}
        assert material.learned() == before.learned()
    worlds = [material_of(model, "birds", None, 2) for model in models]
    assert shared(worlds, 2) == worlds


def test_sentences_are_held_against_the_true_pictures_of_a_set(tiny_model: Path, scenes: Path) -> None:
    content = read_set(scenes).content_hash()
    recipes = [{"seed": seed, "data": {"folder": str(scenes), "held_out": 0.5}} for seed in (3, 4)]
    models = [with_lineage(tiny_model, recipe, content) for recipe in recipes]
    alone, whole = (material_of(models[0], data, None, None) for data in (None, str(scenes)))
    six = [material_of(model, str(scenes), "six", 2) for model in models]
    assert [(prompt.id, prompt.scene) for prompt in six[0].files["sentences"]] == [
        ("sentences-000", None), ("sentences-001", None),
    ]  # fmt: skip
    assert six[0].name == "six-scenes" and len({one.hash for one in (six[0], alone, whole)}) == 3
    pictures = [[pair.pixels.tobytes() for pair in one.real(0, 12, 32)] for one in (six[0], whole)]
    assert pictures[0] == pictures[1] and len(pictures[0]) == 12, (
        "no fewer than there are, though two are asked"
    )
    assert (six[0].texts(), six[0].learned(), six[0].world) == (whole.texts(), whole.learned(), whole.world)
    new = [[pair.text for pair in one.real(0, 24, 32)] for one in shared(six, 2)]
    assert new[0] == new[1] and 0 < len(new[0]) < 12, "of two models those that are new to both"


def test_sentences_are_held_against_a_world_and_no_matcher_is_asked_them(
    tiny_model: Path, tiny_matcher: Path
) -> None:
    birds = material_of(open_model(tiny_model), "birds", "six", None)
    assert len(birds.files["sentences"]) == 6 and birds.world is world("birds")
    assert [len(birds.real(copy, 18, 32)) for copy in (0, 1)] == [18, 18]
    with pytest.raises(InvalidInput, match="'tiny-matcher' draws no sentences; leave out --prompts"):
        material_of(open_model(tiny_matcher), "birds", "six", None)


def test_six_sentences_come_along_and_others_are_read(tiny_model: Path, tmp_path: Path) -> None:
    model = open_model(tiny_model)
    six = material_of(model, None, "six", None)
    assert isinstance(six, Sentences) and len(six.files["sentences"]) == 6 and six.real(0, 6, 32) == []
    assert six.files["sentences"][0].text == "a photo of an astronaut riding a horse on mars"
    (tmp_path / "mine.txt").write_text("a cat\n\na dog\n", encoding="utf-8")
    mine = material_of(model, None, str(tmp_path / "mine.txt"), None)
    assert (mine.name, [p.text for p in mine.files["sentences"]]) == ("mine", ["a cat", "a dog"])
    (tmp_path / "mine.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="is empty; give one sentence a line"):
        material_of(model, None, str(tmp_path / "mine.txt"), None)
    with pytest.raises(NotFound, match="no file of prompts"):
        material_of(model, None, "seven", None)
    with pytest.raises(NotFound, match="name a folder of captioned pictures, or a world"):
        material_of(model, "nowhere", None, None)


def test_what_a_recipe_drew_is_drawn_again(tiny_model: Path, scenes: Path) -> None:
    data: dict[str, object] = {"folder": None, "storybook_count": 7, "storybook_seed": 5, "held_out": 0.1}
    tables = {"seed": 0, "data": data | {"size": 32}}
    past = past_of(with_lineage(tiny_model, tables), None, 32, None)
    items, _ = split(read_set(scenes).items[:7], 0.1, 0)
    assert past.count == 6 == len(past.pictures) and past.captions == tuple(item.captions for item in items)
    for pixels, item in zip(past.pictures, items, strict=True):
        assert np.array_equal(pixels, np.asarray(Image.open(item.file)))
    tables["data"] = data | {"size": 32, "storybook_drawings": "one"}
    past = past_of(with_lineage(tiny_model, tables), None, 48, None)
    one = [np.asarray(render(5, number, 48, drawings="one").image) for number in range(7)]
    assert len(past.pictures) == 6
    assert all(any(np.array_equal(pixels, other) for other in one) for pixels in past.pictures)
    unknown = past_of(open_model(tiny_model), None, 32, None)
    assert not unknown.captions and unknown.note == "what the model learned from is not here"


@pytest.mark.parametrize("seed", range(4))
def test_what_was_held_out_is_not_among_what_was_learned_also_of_the_first_pictures(
    tiny_model: Path, scenes: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(lineage, "MOST", 16)
    data = {"folder": None, "storybook_count": 24, "storybook_seed": 5, "size": 32, "held_out": 0.25}
    past = past_of(with_lineage(tiny_model, {"seed": seed, "data": data}), None, 32, None)
    learned, _ = split(read_set(scenes).items, 0.25, seed)
    known = {np.asarray(Image.open(item.file)).tobytes() for item in learned}
    assert past.count == 18 and 0 < len(past.pictures) < 16
    assert all(pixels.tobytes() in known for pixels in past.pictures)


@pytest.mark.parametrize(
    "recipe", ["import", 3, {"data": 3}, {"data": {"storybook_count": "x", "held_out": 0.1}}]
)
def test_a_lineage_that_says_nothing_known_says_nothing(tiny_model: Path, recipe: object) -> None:
    assert Told.by(with_lineage(tiny_model, recipe)) is None


def test_the_nearest_caption_shares_most_words_and_rare_ones_count_more() -> None:
    captions = (("a red cat", "a cat"), ("a red dog",), ("a red zebra in the snow",), ("a red bird",))
    assert nearest_by_words(["a dog", "the zebra", "a red cat", "nothing known"], captions) == [1, 2, 0, 0]
