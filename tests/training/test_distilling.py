"""What a distillation learns on, and the folder that it keeps to."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import pytest

from limner.errors import InvalidInput, Unavailable
from limner.registry import Model, open_model
from limner.registry.holding import held
from limner.storybook.worlds import WORLDS
from limner.training.distilling import Distillation, _begin, distill, settings_of
from limner.training.sentences import Sentences, from_file, storybook


@pytest.fixture
def model(tiny_model: Path) -> Model:
    return open_model(tiny_model)


def knowing(model: Model, *worlds: str) -> Model:
    words = {word for world in worlds for word in WORLDS[world].vocabulary()}
    return replace(model, manifest=model.manifest.model_copy(update={"vocabulary": tuple(sorted(words))}))


def test_sentences_are_of_the_worlds_that_a_model_knows(model: Model) -> None:
    both = _storybook(knowing(model, "scenes", "creatures"))
    scenes, creatures = _storybook(knowing(model, "scenes")), _storybook(knowing(model, "creatures"))
    assert (scenes.hash, creatures.hash, both.hash) == ("scenes", "creatures", "scenes and creatures")
    assert [both.text(n) for n in range(4)] == [
        scenes.text(0),
        creatures.text(1),
        scenes.text(2),
        creatures.text(3),
    ]
    assert len({scenes.text(n) for n in range(200)}) > 190


def _storybook(known: Model) -> Sentences:
    return storybook(known, "prompts", "with --prompts")


def test_frozen_sentences_are_passed_over(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    known = knowing(model, "scenes")
    usual = _storybook(known)
    first = usual.text(0)
    prompt = next(iter(WORLDS["scenes"].frozen("seen")))
    monkeypatch.setattr(WORLDS["scenes"], "frozen", lambda name: (replace(prompt, text=first),), raising=True)
    without = _storybook(known)
    assert without.text(0) != first
    assert without.text(1) == usual.text(1)


def test_lines_of_a_file_come_again(tmp_path: Path) -> None:
    file = tmp_path / "p.txt"
    file.write_text(" one\n\ntwo\n", encoding="utf-8")
    sentences = from_file(file)
    assert [sentences.text(n) for n in islice(count(), 4)] == ["one", "two", "one", "two"]
    for encoding in ("utf-8", "utf-8-sig"):
        file.write_text("one\ntwo", encoding=encoding)
        assert from_file(file).hash == sentences.hash
    file.write_text("one\nthree", encoding="utf-8")
    assert from_file(file).hash != sentences.hash


def test_a_large_model_learns_slowly(model: Model) -> None:
    assert settings_of(model).learning_rate == 5e-4
    unet = model.manifest.graphs["unet"].model_copy(update={"parameters": 860_000_000})
    graphs = model.manifest.graphs | {"unet": unet}
    large = replace(model, manifest=model.manifest.model_copy(update={"graphs": graphs}))
    assert settings_of(large).learning_rate == 1e-5
    assert settings_of(large, learning_rate=1e-3).learning_rate == 1e-3


def test_a_folder_in_which_another_works_is_left_alone(model: Model, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one", encoding="utf-8")
    walks = tmp_path / "run" / "walks"
    walks.mkdir(parents=True)
    (tmp_path / "run" / "distillation.json").write_text("{}", encoding="utf-8")
    with held(tmp_path / "run"), pytest.raises(Unavailable, match=r"another run works in .*run: .*--out"):
        distill(model, settings_of(model, student_steps=2), tmp_path / "run", prompts=tmp_path / "p.txt")
    assert walks.is_dir()


def test_a_resumed_run_keeps_to_what_it_began_with(model: Model, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one", encoding="utf-8")
    settings = Distillation(student_steps=2, walks=2, steps=1, batch_size=4)
    distill(model, settings, tmp_path / "run", prompts=tmp_path / "p.txt")
    other = settings.model_copy(update={"batch_size": 8})
    with pytest.raises(InvalidInput, match="batch_size is 8 and was 4"):
        distill(model, other, tmp_path / "run", resume=True, prompts=tmp_path / "p.txt")
    (tmp_path / "p.txt").write_text("two", encoding="utf-8")
    with pytest.raises(InvalidInput, match="prompts is"):
        distill(model, settings, tmp_path / "run", resume=True, prompts=tmp_path / "p.txt")


def test_it_takes_no_folder_of_anybody_else(model: Model, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one", encoding="utf-8")
    (tmp_path / "model").mkdir()
    with pytest.raises(InvalidInput, match="holds 'model' but is no folder of a distillation"):
        distill(model, Distillation(student_steps=2), tmp_path, prompts=tmp_path / "p.txt")


@pytest.mark.parametrize("resume", [False, True])
def test_it_does_not_write_over_its_teacher(resume: bool, model: Model, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one", encoding="utf-8")
    teacher = open_model(shutil.copytree(model.path, tmp_path / "run" / "model"))
    (tmp_path / "run" / "distillation.json").write_text("{}", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with pytest.raises(InvalidInput, match=r"model 'tiny' lies in .*link, .*name another folder with --out"):
        distill(
            teacher,
            settings_of(model, student_steps=2),
            tmp_path / "link",
            resume,
            prompts=tmp_path / "p.txt",
        )
    assert open_model(tmp_path / "run" / "model").name == "tiny"


def test_what_an_earlier_run_learned_is_let_go_of_only_when_told_to(tmp_path: Path) -> None:
    for name in ("walks", "distillation/checkpoints/3", "model"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "distillation.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"--resume goes on with it, --anew lets go of it"):
        _begin({"batch_size": 4}, tmp_path, resume=False, anew=False)
    _begin({"batch_size": 4}, tmp_path, resume=False, anew=True)
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == ["model"]


def test_a_rate_may_be_lowered_to_go_on(tmp_path: Path) -> None:
    said = Distillation().model_dump(mode="json")
    _begin(said, tmp_path, resume=False, anew=False)
    _begin(said | {"learning_rate": 1e-5}, tmp_path, resume=True, anew=False)
    assert json.loads((tmp_path / "distillation.json").read_text("utf-8"))["learning_rate"] == 1e-5
    with pytest.raises(InvalidInput, match="weight_decay is"):
        _begin(said | {"weight_decay": 0.5}, tmp_path, resume=True, anew=False)
