"""`make bench-gpu` rehearsed on the processor: every section and way, with a tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import gpu


def test_all_of_it_runs_and_is_written_down(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rehearse = ["--rehearse", "--out", str(tmp_path), "--sd", str(tiny_model), "--storybook", str(tiny_model)]
    assert gpu.main([*rehearse, "--models", "storybook"]) == 0
    assert gpu.main([*rehearse, "--models", "sd", "--sections", "training"]) == 0  # adds to what is there
    told = json.loads((tmp_path / "gpu.json").read_text("utf-8"))
    found = {(each["section"], each["model"], each["way"]) for each in told["figures"]}
    drawn = {("draw", "storybook", way) for way in gpu.WAYS}
    assert drawn | {("training", "sd", "usual"), ("training", "sd", "limner")} <= found
    assert {("users", "storybook", "limner"), ("check", "storybook", "limner")} <= found
    assert any(section == "ceiling" for section, *_ in found)
    assert all(each["value"] >= 0 for each in told["figures"]) and not told["left_out"]
    table = capsys.readouterr().out.rpartition("| section |")[2]
    assert "| Limner |" in table and "| diffusers, tuned |" in table and "pictures/s" in table


def test_what_is_not_installed_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(gpu, "program", lambda results, what, *_: asked.append(what))
    options = ["--out", str(tmp_path / "g.json"), "--sections", "draw", "--models", "storybook"]
    assert gpu.main(options) == 1
    assert asked == [f"storybook by {gpu.TITLES[way]}" for way in ("eager", "limner", "reuse")]
    assert json.loads((tmp_path / "g.json").read_text("utf-8"))["left_out"] == [
        "storybook by diffusers: it is not installed"
    ]


def test_a_process_that_fails_is_said_and_what_it_had_found_stays(tmp_path: Path) -> None:
    results = gpu.Results(tmp_path / "gpu.json")
    figure = '{"section": "draw", "model": "m", "way": "limner", "what": "w", "unit": "s", "value": 1.5}'
    gpu.run(results, "it", ["-c", f"print('{figure}', flush=True); raise SystemExit(3)"], 60)
    again = gpu.Results(tmp_path / "gpu.json")
    assert [each.value for each in again.found.values()] == [1.5]
    assert results.left_out == ["it: it ended with 3"]
