"""Small pictures and folders to test with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def picture(seed: int, size: int = 96) -> Image.Image:
    """Four blocks in random colours with a gradient over them: unlike any other seed's."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(blocks).resize((size, size), Image.Resampling.BICUBIC)


def write_jsonl(folder: Path, *records: Any) -> None:
    """metadata.jsonl, one record a line; a str is written as it stands."""
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
