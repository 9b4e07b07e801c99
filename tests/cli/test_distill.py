"""`limner distill`: what it hands over, and what it refuses in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from limner.registry import Model, open_model
from limner.training import distilling
from tests.cli.conftest import Run, refused


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    file = tmp_path / "prompts.txt"
    file.write_text("a red apple\n\n  a wooden table \n", encoding="utf-8")
    return file


def test_an_unknown_model(run: Run) -> None:
    assert "'nobody' not found; known:" in refused(run("distill", "nobody"))


def test_a_model_whose_words_are_not_known_needs_prompts(run: Run, tiny_model: Path) -> None:
    line = refused(run("distill", tiny_model, "--steps", 2))
    assert "'tiny'" in line and "--prompts" in line


def test_files_of_prompts(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    empty, binary, long = tmp_path / "empty.txt", tmp_path / "binary.txt", tmp_path / "long.txt"
    empty.write_text("\n \n", encoding="utf-8")
    binary.write_bytes(b"\xff\xfe\x00")
    long.write_text("x\n" + "y" * 1001, encoding="utf-8")
    arguments = ("distill", tiny_model, "--steps", 2, "--prompts")
    assert "no file of prompts at 'absent.txt'" in refused(run(*arguments, "absent.txt"))
    assert "empty.txt is empty; give one sentence a line" in refused(run(*arguments, empty))
    assert "not text in UTF-8" in refused(run(*arguments, binary))
    assert "sentence 2 has 1001 letters; at most 1000" in refused(run(*arguments, long))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("steps", ["0", "3", "65"])
def test_steps_that_are_too_few_or_too_many(run: Run, tiny_model: Path, prompts: Path, steps: str) -> None:
    line = refused(run("distill", tiny_model, "--prompts", prompts, "--steps", steps))
    assert f"--steps {steps}: the model takes 4 now, so allowed are 1 to 2" in line


def test_a_learning_rate_or_name_out_of_range(run: Run, tiny_model: Path, prompts: Path) -> None:
    arguments = ("distill", tiny_model, "--prompts", prompts, "--steps", 2)
    assert "learning_rate=7.0" in refused(run(*arguments, "--learning-rate", 7))
    assert "--name 'A b'" in refused(run(*arguments, "--name", "A b"))
    assert "--version ''" in refused(run(*arguments, "--version", ""))


def test_what_is_asked_for_is_what_is_done(
    run: Run, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []

    def noted(model: Model, *arguments: Any) -> Model:
        calls.append((model.name, *arguments))
        return open_model(tiny_model)

    monkeypatch.setattr(distilling, "distill", noted)
    result = run(
        "distill", tiny_model, "--steps", 2, "--updates", 7, "--batch-size", 5, "--seed", 3, "--resume"
    )
    assert result.exit_code == 0, result.output
    (name, settings, out, resume, prompts, called, version, anew), = calls  # fmt: skip
    assert (name, out, resume, prompts) == ("tiny", Path("runs/tiny-2-steps"), True, None)
    assert (called, version, anew) == ("tiny-2-steps", "1", False)
    assert (settings.student_steps, settings.steps, settings.batch_size, settings.seed) == (2, 7, 5, 3)
    assert settings.learning_rate == 5e-4
