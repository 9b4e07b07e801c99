"""A matcher at work, without torch: pictures and texts to vectors, how well they match, and the best of several."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...engine.backends import Backend
from ...engine.backends import backend as backend_of
from ...errors import InvalidInput, LimnerError
from ...registry.models import Model
from ..words import VOCABULARY_NAME, Words, row
from .shape import SHAPE_NAME, Shape

IMAGE, TEXT, VECTOR = "image_encoder", "text_encoder", "vector"
_WEIGHTS = "model.safetensors"
_TOGETHER = 32

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]


class Towers(Protocol):
    """The two networks of a matcher; their vectors may have any length above zero."""

    def pictures(self, batch: Pixels) -> Vectors:
        """uint8 (B, side, side, 3) to (B, D)."""

    def texts(self, batch: Sequence[str]) -> Vectors:
        """B texts to (B, D)."""


@dataclass(frozen=True)
class Matcher:
    """A dual encoder, called `name`, whose weights have the hash `hash`.

    Pictures are cut to their middle square and brought to `side` pixels by `resampling`. `scale` is what cosines were
    multiplied with in training. Only a CLIP checkpoint's scores may be called CLIP score: `clip` says it is one.
    """

    name: str
    hash: str
    side: int
    scale: float
    towers: Towers
    clip: bool = False
    resampling: Image.Resampling = Image.Resampling.LANCZOS

    @property
    def resize(self) -> str:
        """How pictures are made ready, in words."""
        return f"middle square, {self.resampling.name.lower()} to {self.side} px"

    def embed_pictures(
        self, pictures: Sequence[Pixels] | Pixels, on_done: Callable[[int], None] = lambda done: None
    ) -> Vectors:
        """Pictures, uint8 (H, W, 3) each, of one size or several, to vectors (N, D) of length 1; `on_done` is told
        how many are.

        InvalidInput where one is something else.
        """
        found = []
        for first in range(0, len(pictures), _TOGETHER):
            ready = [self._ready(picture) for picture in pictures[first : first + _TOGETHER]]
            found.append(self._of_length_one(self.towers.pictures(np.stack(ready))))
            on_done(min(first + _TOGETHER, len(pictures)))
        return np.concatenate(found) if found else np.empty((0, 0), np.float32)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Texts to vectors (N, D) of length 1."""
        found = [
            self._of_length_one(self.towers.texts(texts[first : first + _TOGETHER]))
            for first in range(0, len(texts), _TOGETHER)
        ]
        return np.concatenate(found) if found else np.empty((0, 0), np.float32)

    def score(self, pictures: Sequence[Pixels] | Pixels, texts: Sequence[str]) -> NDArray[np.float32]:
        """The cosine of each picture with the text at its place, (N,) in -1..1; ValueError unless there are as
        many."""
        if len(pictures) != len(texts):
            raise ValueError(f"{len(pictures)} pictures and {len(texts)} texts do not go together")
        found: NDArray[np.float32] = (self.embed_pictures(pictures) * self.embed_texts(texts)).sum(-1)
        return found

    def _ready(self, picture: Pixels) -> Pixels:
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
            raise InvalidInput(
                f"a picture must be uint8 (H, W, 3), not {picture.dtype} {list(picture.shape)}"
            )
        height, width = picture.shape[:2]
        if height == width == self.side:
            return picture
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = Image.fromarray(np.ascontiguousarray(picture[top : top + side, left : left + side]))
        return np.asarray(square.resize((self.side, self.side), self.resampling))

    def _of_length_one(self, vectors: Vectors) -> Vectors:
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and (lengths > 0).all()):
            raise LimnerError(
                f"matcher '{self.name}' gave values that are not finite; its weights are broken"
            )
        found: Vectors = (vectors / lengths).astype(np.float32)
        return found


def rerank(matcher: Matcher, prompt: str, pictures: Sequence[Pixels]) -> int:
    """The index of the picture, uint8 (H, W, 3) each, that matches a prompt best; the first of several.

    InvalidInput without any picture.
    """
    if not len(pictures):
        raise InvalidInput("there is no picture to choose from")
    return int((matcher.embed_pictures(pictures) @ matcher.embed_texts([prompt])[0]).argmax())


def open_matcher(model: Model, backend: Backend | None = None) -> Matcher:
    """The matcher of a model directory, run by `backend`, else by the one that fits.

    InvalidInput where it is one that draws, errors as the backend's.
    """
    check_matches(model)
    shape = Shape.read(model.path)
    return Matcher(
        f"{model.name}@{model.version}",
        _hash(model.path),
        shape.side,
        shape.scale,
        _Graphs(model, shape, backend),
    )


def check_matches(model: Model) -> None:
    """InvalidInput where a model is none that matches."""
    if model.manifest.family != "matcher":
        raise InvalidInput(
            f"model '{model.name}' is of family {model.manifest.family}, which draws; a matcher is trained by "
            "limner train recipes/matcher-scenes-cpu.toml",
            field="matcher",
        )


def _hash(directory: Path) -> str:
    """Of all that vectors depend on."""
    files = (SHAPE_NAME, VOCABULARY_NAME, f"{IMAGE}/{_WEIGHTS}", f"{TEXT}/{_WEIGHTS}")
    return hash_of([directory / file for file in files])


def hash_of(files: Sequence[Path]) -> str:
    """What tells encoders apart: the first 16 digits of SHA-256 over the hashes of their files."""
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()[:16]


class _Graphs:
    """Towers as graphs of a model directory."""

    def __init__(self, model: Model, shape: Shape, backend: Backend | None) -> None:
        self._tokens, self._words = shape.tokens, Words.read(model.path)
        if len(self._words.words) != shape.vocabulary:
            raise InvalidInput(
                f"{model.path / VOCABULARY_NAME} has {len(self._words.words)} words, not {shape.vocabulary}"
            )
        runtime = backend or backend_of()
        self._image, self._text = (runtime.load(model, graph) for graph in (IMAGE, TEXT))

    def pictures(self, batch: Pixels) -> Vectors:
        shares: NDArray[Any] = batch.astype(np.float32).transpose(0, 3, 1, 2) / np.float32(
            127.5
        ) - np.float32(1)
        return self._image({"pictures": np.ascontiguousarray(shares)})[VECTOR]

    def texts(self, batch: Sequence[str]) -> Vectors:
        ids = [row(self._words.ids(text)[: self._tokens - 1], self._tokens) for text in batch]
        return self._text({"input_ids": np.stack(ids)})[VECTOR]
