"""Storybook's birds in CUB's own layout, for programs that read nothing else.

    CUB_200_2011/images/<class>/<name>.jpg    with images.txt, classes.txt, bounding_boxes.txt, ...
    birds/text/<class>/<name>.txt             ten captions, one a line
    birds/{train,test}/filenames.pickle       with class_info.pickle; birds/captions.pickle for both
    storybook.jsonl                           the scene graph of each picture, which CUB does not have

The class of a bird is its body and its colour. Every fourth picture is for testing, as in CUB about a quarter is.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..storybook.birds.bird import VALUES
from ..storybook.worlds import Example
from .cub import IMAGES, PARTS

_PROTOCOL = 2  # what the programs that read CUB were written with
_QUALITY = 95
CLASSES = tuple(
    f"{number:03d}.{body.title()}_{colour.title()}_Bird"
    for number, (body, colour) in enumerate(
        ((body, colour) for body in VALUES["body"] for colour in VALUES["colour"]), 1
    )
)
"""The names of the classes, the first being number 1."""


def save_picture(out: Path, index: int, made: Example) -> dict[str, Any]:
    """Write a picture and its captions; the record says all that the tables need."""
    bird = made.scene
    number = VALUES["body"].index(bird.body) * len(VALUES["colour"]) + VALUES["colour"].index(bird.colour)
    kind = CLASSES[number]
    name = f"{kind}/{kind.split('.')[1]}_{index:06d}"
    left, top, right, bottom = made.subjects[0]["box"]
    file = out / IMAGES / "images" / f"{name}.jpg"
    text = out / "birds" / "text" / f"{name}.txt"
    for folder in (file.parent, text.parent):
        folder.mkdir(parents=True, exist_ok=True)
    made.image.save(file, quality=_QUALITY, subsampling=0)
    text.write_text("".join(f"{caption}\n" for caption in made.texts), encoding="utf-8")
    return {
        "name": name,
        "class_id": number + 1,
        "box": [left, top, right - left, bottom - top],
        "text": made.texts,
        "scene": asdict(bird),
    }


def write_tables(out: Path, lines: Iterable[str]) -> None:
    """Write CUB's tables and AttnGAN's pickles for all pictures of a folder, one record of `save_picture` a line."""
    records = [json.loads(line) for line in lines]
    parts = {
        part: [one for k, one in enumerate(records) if (k % 4 == 3) == (part == "test")] for part in PARTS
    }
    tables = {
        "images.txt": (f"{one['name']}.jpg" for one in records),
        "image_class_labels.txt": (one["class_id"] for one in records),
        "bounding_boxes.txt": (" ".join(f"{side:.1f}" for side in one["box"]) for one in records),
        "train_test_split.txt": (int(k % 4 != 3) for k in range(len(records))),
        "classes.txt": CLASSES,
    }
    for table, values in tables.items():
        (out / IMAGES / table).write_text(
            "".join(f"{k} {value}\n" for k, value in enumerate(values, 1)), encoding="utf-8"
        )
    for part, found in parts.items():
        _dump(out / "birds" / part / "filenames.pickle", [one["name"] for one in found])
        _dump(out / "birds" / part / "class_info.pickle", [one["class_id"] for one in found])
    said = [[_words(text) for one in found for text in one["text"]] for found in parts.values()]
    known = sorted({word for words in said[0] for word in words})  # what is tested with must not be seen
    number_of = {word: k for k, word in enumerate(["<end>", *known])}
    numbers = [
        [[number_of[word] for word in words if word in number_of] for words in texts] for texts in said
    ]
    _dump(
        out / "birds" / "captions.pickle", [*numbers, {k: word for word, k in number_of.items()}, number_of]
    )


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _dump(file: Path, data: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pickle.dumps(data, _PROTOCOL))
