"""The denoising steps of one picture side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def side_by_side(previews: Sequence[NDArray[np.uint8]], finished: NDArray[np.uint8]) -> Image.Image:
    """One row: each step's preview (h, w, 3) enlarged to the picture's size, the finished picture last.

    The last step's preview gives way to the finished picture (H, W, 3), so there are as many as steps.
    """
    height, width = finished.shape[:2]
    panels = [Image.fromarray(one).resize((width, height), Image.Resampling.BICUBIC) for one in previews[:-1]]
    panels.append(Image.fromarray(finished))
    row = Image.new("RGB", (width * len(panels), height))
    for k, panel in enumerate(panels):
        row.paste(panel, (k * width, 0))
    return row
