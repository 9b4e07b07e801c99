"""The threat model names, for each threat, tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
MODEL = TESTS.parent / "docs" / "security.md"
LINES = [
    line
    for line in MODEL.read_text("utf-8").splitlines()
    if re.match(r"\| (?!threat|--)", line) and "|---" not in line
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("|")[1].strip()[:40])
def test_every_threat_names_tests_that_exist(line: str) -> None:
    _, threat, defence, shown, _ = line.split("|")
    assert threat.strip() and defence.strip()
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", shown)
    assert named and len(named) == shown.count("`") // 2
    for file, test in named:
        place = TESTS.parent / file if file.startswith("tests/") else TESTS / "service" / file
        found = [
            node.name
            for node in ast.parse(place.read_text("utf-8")).body
            if isinstance(node, ast.FunctionDef)
        ]
        assert test in found, f"{file} has no {test}"


def test_there_are_threats() -> None:
    assert len(LINES) > 20
