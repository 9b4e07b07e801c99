"""Prompts as people write them for Stable Diffusion: words with weights, and texts longer than the encoder takes.

`(word)` weighs 1.1, `((word))` 1.21, `[word]` 1/1.1, `(word:1.3)` 1.3; a backslash before a bracket keeps the
bracket. This is the notation of the existing tools, and so is what it does: the encodings of the words are multiplied
and the whole is scaled back to its mean (AUTOMATIC1111's stable-diffusion-webui, wiki, "Attention/emphasis"). A text
that does not fit is taken apart into windows that are encoded one by one and set behind each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .tokenizer import ClipTokenizer

_STEP = 1.1
_LIGHTEST, _HEAVIEST = 0.0, 10.0
_BACKTRACK = 20
_NO_MEAN = 1e-3
_BREAK = re.compile(r"\bBREAK\b")
_PIECE = re.compile(r"\\[()\[\]\\]|[()\[\]]|:\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*\)|[^\\()\[\]:]+|[\\:]")


@dataclass(frozen=True)
class Window:
    """What the text encoder takes at once: `ids` (T,) int64, and the weight of each, `weights` (T,) float32."""

    ids: NDArray[np.int64]
    weights: NDArray[np.float32]


def literal(text: str) -> str:
    """A prompt that means the text as it stands, its brackets too."""
    return re.sub(r"[()\[\]\\]", r"\\\g<0>", text)


def weighted(text: str) -> list[tuple[str, float]]:
    """Take a prompt apart into words and their weights, 0 to 10; what is not closed reaches to the end."""
    found: list[tuple[str, float]] = []
    opened: list[tuple[str, int]] = []  # brackets, and which part of `found` each begins with

    def scale(first: int, factor: float) -> None:
        found[first:] = [(words, weight * factor) for words, weight in found[first:]]

    for piece in _PIECE.findall(text):
        kind, first = opened[-1] if opened else ("", 0)
        if piece in "([":
            opened.append((piece, len(found)))
        elif piece[0] == ":" and piece[-1] == ")" and kind == "(":
            opened.pop()
            scale(first, min(max(float(piece[1:-1]), _LIGHTEST), _HEAVIEST))
        elif (piece, kind) in ((")", "("), ("]", "[")):
            opened.pop()
            scale(first, _STEP if piece == ")" else 1 / _STEP)
        elif piece[0] == ":" and piece[-1] == ")" and len(piece) > 1:  # closes no bracket
            found.append((piece, 1.0))
        else:
            found.append((piece[1:] if len(piece) == 2 and piece[0] == "\\" else piece, 1.0))
    for kind, first in opened:
        scale(first, _STEP if kind == "(" else 1 / _STEP)
    return _joined(found)


def _joined(parts: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Neighbours of one weight as one text, so that a prompt without weights stays whole."""
    found: list[tuple[str, float]] = []
    for words, exact in parts:
        weight = min(max(exact, _LIGHTEST), _HEAVIEST)
        if found and found[-1][1] == weight:
            found[-1] = (found[-1][0] + words, weight)
        else:
            found.append((words, weight))
    return found


def windows(tokenizer: ClipTokenizer, text: str, most: int) -> list[Window]:
    """The windows of a prompt, one to `most`; what does not fit in the last is left out.

    A window ends early behind a comma that is among its last twenty tokens, and where the prompt says BREAK.
    """
    room, commas = max(1, tokenizer.length - 2), set(tokenizer.pieces(","))
    found: list[list[tuple[int, float]]] = [[]]
    for words, weight in weighted(text):
        for k, part in enumerate(_BREAK.split(words) if most > 1 else [words]):
            if k:
                found.append([])
            for piece in tokenizer.pieces(part):
                if len(found[-1]) == room:
                    found.append(_after_comma(found[-1], commas) if most > 1 else [])
                found[-1].append((piece, weight))
    return [_window(tokenizer, part) for part in found[:most]]


def _after_comma(full: list[tuple[int, float]], commas: set[int]) -> list[tuple[int, float]]:
    """Take from a full window what stands behind its last comma, where that is not much."""
    if full[-1][0] in commas:
        return []
    for taken in range(1, min(_BACKTRACK, len(full))):
        if full[-taken - 1][0] in commas:
            rest = full[-taken:]
            del full[-taken:]
            return rest
    return []


def _window(tokenizer: ClipTokenizer, pieces: list[tuple[int, float]]) -> Window:
    weights = np.ones(tokenizer.length, np.float32)
    weights[1 : 1 + len(pieces)] = [weight for _, weight in pieces]
    return Window(tokenizer.row([piece for piece, _ in pieces]), weights)


def emphasised(encoding: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """An encoding (T, D) with its tokens weighted (T,), scaled back to the mean it had; not where that is nothing
    beside its spread, for then the quotient of two means would mean nothing."""
    if (weights == 1).all():
        return encoding
    made = encoding * weights[:, None]
    before, after = float(encoding.mean()), float(made.mean())
    if min(abs(before), abs(after)) < _NO_MEAN * float(encoding.std()):
        return made
    return made * np.float32(before / after)
