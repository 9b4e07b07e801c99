"""The page's modules: their types, by TypeScript; nothing inline or foreign in the page; words, by Node."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import limner

HERE = Path(__file__).parent
PAGES = Path(limner.__file__).parent / "service" / "pages"
TSC = HERE / "node_modules" / "typescript" / "bin" / "tsc"
NODE = shutil.which("node")

needs_node = pytest.mark.skipif(NODE is None, reason="Node.js is missing: apt-get install nodejs npm")


@needs_node
@pytest.mark.skipif(not TSC.exists(), reason=f"TypeScript is missing: npm ci --prefix {HERE}")
def test_the_types_hold() -> None:
    assert NODE is not None
    done = subprocess.run([NODE, TSC, "--project", HERE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_lock_file_names_no_registry() -> None:
    assert "resolved" not in (HERE / "package-lock.json").read_text("utf-8")


def test_the_page_has_nothing_inline_and_nothing_foreign() -> None:
    page = (PAGES / "index.html").read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)
    for file in (file for file in PAGES.rglob("*") if file.is_file() and file.suffix != ".png"):
        foreign = re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s\"']*", file.read_text("utf-8"))
        assert [f for f in foreign if "www.w3.org/2000/svg" not in f] == [], file.name


def test_every_file_that_the_page_names_is_there() -> None:
    page = (PAGES / "index.html").read_text("utf-8")
    named = set(re.findall(r'"/pages/([^"]+)"', page))
    for module in PAGES.glob("*.js"):
        named |= set(re.findall(r'(?:from "\./|"/pages/)([\w.]+\.js)"', module.read_text("utf-8")))
    assert all((PAGES / name).is_file() for name in named)
    assert {file.name for file in PAGES.glob("*.js")} <= named


def _words(expression: str, *values: Any, module: str = "words.js") -> Any:
    """The value of a JavaScript expression over a module, called `words`, and `values` (bound to a, b, c)."""
    source = (PAGES / module).as_uri()
    script = f"""
        const {{readFileSync}} = await import("node:fs");
        const text = readFileSync(new URL({json.dumps(source)}), "utf8");
        const words = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(text));
        const [a, b, c] = {json.dumps(values)};
        console.log(JSON.stringify({expression}));
    """
    command = [NODE or "", "--input-type=module", "--eval", script]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


KNOWN = ["apple", "apples", "daisy", "daisies", "medium-sized", "mountain", "red", "the", "umbrella"]


@needs_node
def test_unknown_words_numbers_letters_hyphens_and_possessives() -> None:
    text = "The RED apple's 17 x medium-sized apple-red dragon, naïve Ärger; dragon-apple"
    found = _words("words.unknownIn(a, new Set(b)).map((f) => a.slice(f.start, f.end))", text, KNOWN)
    assert found == ["dragon", "naïve", "Ärger", "dragon-apple"]


@needs_node
def test_the_nearest_word() -> None:
    asked = ["appel", "Umbrela", "moutain", "reds", "dragon", "aple", "rod"]
    nearest = _words("a.map((w) => words.nearest(w, b))", asked, KNOWN)
    assert nearest == ["apple", "umbrella", "mountain", "red", None, "apple", None]


@needs_node
def test_edit_distance_against_the_definition() -> None:
    pairs = [("", ""), ("", "ab"), ("kitten", "sitting"), ("ab", "ba"), ("teh", "the"), ("flaw", "lawn")]
    assert _words("a.map(([x, y]) => words.distance(x, y))", pairs) == [0, 2, 3, 1, 1, 2]


@needs_node
def test_the_words_that_differ() -> None:
    pairs = [
        ("a red apple on a table", "a green apple on a table"),
        ("an apple", "an apple in the snow"),
        ("a cat", "A  cat"),
        ("one two", "three"),
    ]
    found = _words("a.map(([x, y]) => words.difference(x, y))", pairs, module="difference.js")
    told = [[[p["text"] for p in side if p["differs"]] for side in pair] for pair in found]
    assert told == [[[" red"], [" green"]], [[], [" in the snow"]], [[], []], [["one two"], ["three"]]]
    assert [["".join(p["text"] for p in side) for side in pair] for pair in found] == [list(p) for p in pairs]


@needs_node
def test_groups_leave_out_small_words_numbers_and_plurals() -> None:
    groups = dict(_words("words.grouped(a)", [*KNOWN, "2", "a", "two"]))
    assert groups == {
        "Things": ["apple", "daisy", "umbrella"],
        "Colours": ["red"],
        "Sizes and numbers": ["medium-sized", "two"],
        "Places": ["mountain"],
    }
