"""What the documents show exists, and what they ask a model to draw is never held out."""

from __future__ import annotations

import re
import subprocess
from itertools import product
from pathlib import Path

import pytest

from limner.storybook.captions import COLOUR_WORDS, PLACE_WORDS
from limner.storybook.grammar import HELD_OUT
from limner.storybook.subjects import SUBJECTS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EXAMPLES = [*DOCUMENTS, *(ROOT / "benchmarks").glob("*.py")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_the_documents_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text("utf-8"))
    inside = [link for link in links if not link.startswith(("https:", "http:", "mailto:"))]
    assert not [link for link in inside if not (document.parent / link).exists()]


def test_the_readme_names_every_folder_and_file_at_the_top() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    if listing.returncode:
        pytest.skip("not a git checkout")
    tops = {line.split("/")[0] for line in listing.stdout.splitlines()} - {
        ".gitignore",
        "README.md",
        "limner",
    }
    inner = {
        f"limner/{line.split('/')[1]}" for line in listing.stdout.splitlines() if line.startswith("limner/")
    }
    missing = [name for name in tops | inner - {"limner/__init__.py", "limner/py.typed"} if name not in text]
    assert not missing


def _said(words: dict[str, tuple[str, ...]], sentence: str) -> list[str]:
    return [name for name, ways in words.items() if any(re.search(rf"\b{way}\b", sentence) for way in ways)]


@pytest.mark.parametrize("document", EXAMPLES, ids=lambda path: path.name)
def test_sentences_to_try_are_never_held_out(document: Path) -> None:
    subjects = {name: (*subject.words, *subject.plurals) for name, subject in SUBJECTS.items()}
    pairs = set()
    for sentence in re.findall(r'"([a-z ]+)"', document.read_text("utf-8")):
        named = _said(subjects, sentence)
        pairs |= {("colour", *pair) for pair in product(named, _said(COLOUR_WORDS, sentence))}
        pairs |= {("place", *pair) for pair in product(named, _said(PLACE_WORDS, sentence))}
    assert not pairs & HELD_OUT
