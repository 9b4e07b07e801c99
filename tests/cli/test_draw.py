from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limner.cli.strip import side_by_side
from limner.engine.request import DrawRequest
from tests.cli.conftest import Run, refused
from tests.service.fake_studio import FakeStudio


@pytest.mark.usefixtures("studio")
def test_it_prints_seed_time_and_path(run: Run) -> None:
    result = run("draw", "a red apple", "-o", "apple.png", "--seed", 7)
    assert result.exit_code == 0, result.output
    assert re.fullmatch(r"seed 7  \d+\.\d\d s  apple\.png\n", result.stdout)
    with Image.open("apple.png") as image:
        assert image.size == (64, 64)
        assert "a red apple" in image.info["parameters"]


def test_every_option_reaches_the_studio(run: Run, studio: FakeStudio) -> None:
    options = ("--seed", 3, "--steps", 2, "--guidance-scale", 2.5, "--negative-prompt", "blue")
    more = ("--sampler", "euler", "--width", 64, "--height", 64, "--model", "storybook@1")
    result = run("draw", "a red apple", *options, *more, "--feature-reuse", 2, "--guidance-interval", "0,0.8")
    assert result.exit_code == 0, result.output
    assert studio.started == [
        DrawRequest(
            prompt="a red apple",
            model="storybook@1",
            seed=3,
            steps=2,
            guidance_scale=2.5,
            guidance_interval=(0, 0.8),
            feature_reuse=2,
            negative_prompt="blue",
            sampler="euler",
            width=64,
            height=64,
        )
    ]
    assert studio.closed


@pytest.mark.usefixtures("studio")
def test_several_pictures_are_numbered(run: Run) -> None:
    result = run("draw", "x", "-o", "apple.png", "--count", 3, "--seed", 7)
    assert result.exit_code == 0, result.output
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["7", "8", "9"]
    assert sorted(file.name for file in Path().glob("*.png")) == ["apple-1.png", "apple-2.png", "apple-3.png"]


@pytest.mark.usefixtures("studio")
def test_a_name_from_the_prompt_and_an_old_file_is_replaced(run: Run) -> None:
    Path("a-red-apple-7.png").write_text("old", encoding="utf-8")
    assert run("draw", "A red  apple!", "--seed", 7).exit_code == 0
    with Image.open("a-red-apple-7.png") as image:
        assert image.format == "PNG"
    assert run("draw", "苹果", "--seed", 7).exit_code == 0
    assert Path("picture-7.png").is_file()


@pytest.mark.usefixtures("studio")
def test_which_word_drew_what_is_a_page_beside_the_picture(run: Run) -> None:
    result = run("draw", "a red apple", "-o", "apple.png", "--seed", 7, "--attention")
    assert result.exit_code == 0, result.output
    assert "which word drew what  apple-words.png" in result.stdout
    with Image.open("apple-words.png") as page:
        assert page.width == 4 * 192, "the picture and three words in a row"
    assert run("draw", "a red apple", "-o", "plain.png").exit_code == 0
    assert not Path("plain-words.png").exists()


def test_the_best_of_several_is_kept(
    run: Run, studio: FakeStudio, tiny_matcher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def last(matcher: object, prompt: str, pictures: list[np.ndarray]) -> int:
        assert prompt == "a red apple"
        seen.append(len(pictures))
        return len(pictures) - 1

    monkeypatch.setattr("limner.families.matcher.matcher.rerank", last)
    chosen = ("--best-of", 3, "--matcher", tiny_matcher, "--count", 2, "--seed", 10)
    result = run("draw", "a red apple", "-o", "apple.png", *chosen)
    assert result.exit_code == 0, result.output
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["12", "15"]
    assert seen == [3, 3] and len(studio.started) == 6
    assert sorted(file.name for file in Path().glob("*.png")) == ["apple-1.png", "apple-2.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--matcher", "matcher-scenes"), "say how many by best_of"),
        (("--best-of", 16, "--count", 10), "160 pictures; at most 64"),
    ],
)
def test_what_makes_no_sense_of_the_best_is_refused(
    run: Run, arguments: tuple[object, ...], words: str
) -> None:
    result = run("draw", "x", *arguments)
    assert result.exit_code == 2 and words in " ".join(result.stderr.split())


def learned(world: str, model: Path, into: Path) -> Path:
    """A copy of a model whose lineage says that it has learned a world."""
    shutil.copytree(model, into)
    told = json.loads((into / "limner.json").read_text("utf-8"))
    told["lineage"]["recipe"] = json.dumps(
        {"data": {"storybook_world": world, "storybook_count": 9, "held_out": 0.1}}
    )
    (into / "limner.json").write_text(json.dumps(told), encoding="utf-8")
    return into


def test_the_matcher_is_that_of_the_models_world(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    model = learned("creatures", tiny_model, tmp_path / "creatures")
    line = refused(run("draw", "a red creature", "--best-of", 2, "--model", model))
    assert "'matcher-creatures' not found" in line
    few = ("--best-of", 2, "--steps", 1)
    assert run("draw", "a red apple", "-o", "apple.png", *few).exit_code == 0, "the built-in model's"
    line = refused(run("draw", "a red apple", "--best-of", 2, "--model", tiny_model))
    assert "name the matcher that chooses among pictures of" in line


def test_without_a_matcher_it_says_how_to_get_one(run: Run) -> None:
    result = run("draw", "a red apple", "--best-of", 2, "--matcher", "nothing")
    assert result.exit_code == 2 and not list(Path().glob("*.png"))
    told = " ".join(result.stderr.split())
    assert "'nothing' not found" in told and "recipes/matcher-scenes-cpu.toml" in told


@pytest.mark.usefixtures("studio")
def test_the_strip_of_the_best_is_its_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.families.matcher.matcher.rerank", lambda *given: 1)
    result = run("draw", "x", "-o", "apple.png", "--steps", 3, "--seed", 7, "--strip", "--best-of", 3)
    assert result.exit_code == 0, result.output
    with Image.open("apple-strip.png") as strip:
        panels = np.asarray(strip)
    assert panels.shape[1] == 3 * 64 and set(panels[:, :, 0].ravel().tolist()) == {8}, "all of seed 8"


@pytest.mark.usefixtures("studio")
def test_a_strip_has_a_panel_for_every_step(run: Run) -> None:
    result = run("draw", "x", "-o", "apple.png", "--steps", 5, "--seed", 7, "--strip")
    assert result.exit_code == 0, result.output
    assert "apple-strip.png" in result.stdout
    with Image.open("apple-strip.png") as strip, Image.open("apple.png") as picture:
        assert strip.size == (5 * 64, 64)
        assert (np.asarray(strip)[:, -64:] == np.asarray(picture)).all()


def test_a_strip_enlarges_previews_and_ends_with_the_picture() -> None:
    previews = [np.full((4, 8, 3), value, np.uint8) for value in (10, 20, 30)]
    row = np.asarray(side_by_side(previews, np.full((16, 32, 3), 99, np.uint8)))
    assert row.shape == (16, 96, 3)
    assert [int(row[0, x, 0]) for x in (16, 48, 80)] == [10, 20, 99]
    assert side_by_side([], np.zeros((4, 4, 3), np.uint8)).size == (4, 4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("x", "-o", "no/a.png"), "folder 'no' does not exist"),
        (("x", "-o", "a.jpg"), "name that ends in .png"),
        (("x", "-o", "data.png"), "is a folder"),
        ((" ",), "prompt must not be empty"),
        (("x", "--steps", "1000000"), "steps"),
        (("x", "--seed", "-1"), "seed"),
        (("x", "--guidance-interval", "0.8"), "such as 0,0.8"),
        (("x", "--width", "65"), "width 65"),
        (("x", "--count", "0"), "count must be 1 to 64"),
        (("x", "--count", "-3"), "count must be 1 to 64"),
        (("x", "--model", "nope"), "known: storybook"),
    ],
)
@pytest.mark.usefixtures("studio")
def test_bad_input_is_one_line_on_stderr(run: Run, arguments: tuple[str, ...], words: str) -> None:
    Path("data.png").mkdir()
    assert words in refused(run("draw", *arguments))
    assert not [file for file in Path().glob("*.png") if file.is_file()]


def test_a_folder_that_takes_no_file_is_refused_before_anything_is_drawn(
    run: Run, studio: FakeStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*given: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("limner.registry.making.TemporaryFile", refuses)
    for output in ((), ("-o", "apple.png")):
        assert "cannot write into '.' (Permission denied)" in refused(run("draw", "x", *output))
    assert studio.started == []


@pytest.mark.usefixtures("studio")
def test_a_full_disk_leaves_the_picture_that_was_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: Path, data: bytes) -> int:
        with file.open("wb"):
            raise OSError(28, "No space left on device")

    Path("apple.png").write_text("before", encoding="utf-8")
    monkeypatch.setattr(Path, "write_bytes", full)
    assert "cannot write 'apple.png': No space left" in refused(run("draw", "x", "-o", "apple.png"))
    assert Path("apple.png").read_text(encoding="utf-8") == "before"
    assert not list(Path().glob("*.partial"))


def test_a_failure_is_one_line(run: Run, studio: FakeStudio) -> None:
    studio.failures = 1
    assert "the paint ran out" in refused(run("draw", "x"))


def test_ctrl_c_is_quiet(run: Run, studio: FakeStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(studio, "resolve", interrupted)
    result = run("draw", "x")
    assert (result.exit_code, result.output) == (130, "")
    assert studio.closed


def test_a_real_model(run: Run, tiny_model: Path) -> None:
    result = run("draw", "a red apple", "-o", "a.png", "--model", tiny_model, "--steps", 3, "--strip")
    assert result.exit_code == 0, result.output
    with Image.open("a-strip.png") as strip:
        assert strip.size == (3 * 64, 64)
