from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run, refused
from tests.data.pictures import picture, write_jsonl


def test_storybook_then_check(run: Run) -> None:
    result = run("data", "storybook", "set", "--count", 6, "--size", 64, "--seed", 2)
    assert result.exit_code == 0, result.output
    assert "6 scenes at 64 px, seed 2: set" in result.stdout
    result = run("data", "check", "set")
    assert result.exit_code == 0, result.output
    assert "6 pictures, 30 captions: 0 to mend, 0 worth a look" in result.stdout


def test_check_shows_a_table_and_exits_1_when_something_must_be_mended(run: Run) -> None:
    folder = Path("set")
    folder.mkdir()
    picture(1, 40).save(folder / "a.png")
    (folder / "b.png").write_text("broken", encoding="utf-8")
    write_jsonl(folder, {"file_name": "a.png", "text": "x"}, {"file_name": "b.png", "text": "[bold]x"}, "{")
    result = run("data", "check", "set")
    assert result.exit_code == 1
    for words in ("tiny", "broken", "metadata.jsonl:3", "2 to mend, 1 worth a look"):
        assert words in result.stdout
    told = json.loads(run("data", "check", "set", "--json").stdout)
    assert [(one["kind"], one["must_mend"]) for one in told["findings"]] == [
        ("metadata", True),
        ("tiny", False),
        ("broken", True),
    ]


def test_check_exits_0_when_there_is_only_something_to_look_at(run: Run) -> None:
    Path("set").mkdir()
    picture(1, 40).save("set/a.png")
    Path("set/a.txt").write_text("x", encoding="utf-8")
    assert run("data", "check", "set").exit_code == 0


def test_refusals(run: Run) -> None:
    assert "folder 'nowhere' not found" in refused(run("data", "check", "nowhere"))
    Path("mine").mkdir()
    Path("mine/letter.txt").write_text("dear", encoding="utf-8")
    assert "name an empty one" in refused(run("data", "storybook", "mine"))
    assert "count must be 1" in refused(run("data", "storybook", "set", "--count", 0))
