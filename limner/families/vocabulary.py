"""The words of a run: those that a model has learned, and a closed vocabulary of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ..data.captioned import Item
from ..storybook.worlds import world
from ..training.recipe import Data
from ..training.run import Prepared, console
from .words import VOCABULARY_NAME, Words

_WORD = re.compile(r"[^\W_]+(?:[-'\u2019][^\W_]+)*")  # as the page's words.js


def words_of(captions: Iterable[str]) -> tuple[str, ...]:
    """All words of the captions, in lower case and in order: letters and digits of any script."""
    return tuple(sorted({word for caption in captions for word in _WORD.findall(caption.lower())}))


def known_words(asked: Data, items: Iterable[Item]) -> tuple[str, ...]:
    """The words that a model has learned of what a recipe asks for: all of a world's, else those of the captions it was
    trained on."""
    if asked.folder is None:
        return world(asked.storybook_world).vocabulary()
    return words_of(caption for item in items for caption in item.captions)


def learned_words(data: Prepared, at_least: int, folder: Path) -> Words:
    """The words of a run, learned once, from the training captions alone, where they occur `at_least` times; says how
    many others are held out."""
    if not (folder / VOCABULARY_NAME).is_file():
        captions = (caption for item in data.train for caption in item.captions)
        folder.mkdir(parents=True, exist_ok=True)
        Words.learn(captions, at_least).write(folder)
    words = Words.read(folder)
    share = words.outside(caption for item in data.held_out for caption in item.captions)
    console.print(
        f"{len(words.known)} words; {100 * share:.2f} % of those in held-out captions are not among them"
    )
    return words
