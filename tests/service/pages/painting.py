"""What the stub of the service draws: Storybook scenes of the first things that the words name."""

from __future__ import annotations

import io
import re

import numpy as np
from PIL import Image

from limner.storybook.captions import COLOUR_WORDS, PLACE_WORDS
from limner.storybook.render import draw_scene
from limner.storybook.scene import Scene, Thing
from limner.storybook.subjects import SUBJECTS

SIZE = 128


def paint(prompt: str, seed: int) -> Image.Image:
    """A Storybook scene with the first subject, colour and place that the words name."""
    words = re.findall(r"[a-z]+", prompt.lower())
    rng = np.random.default_rng([seed, len(prompt)])
    subject = next((s for w in words for s, k in SUBJECTS.items() if w in k.words + k.plurals), "house")
    colour = next((c for w in words for c, said in COLOUR_WORDS.items() if w in said), "blue")
    place = next((p for p, said in PLACE_WORDS.items() if any(phrase in prompt for phrase in said)), "meadow")
    hour = "night" if "night" in words else "sunset" if "sunset" in words else "day"
    scene = Scene((Thing(subject, colour, "large"),), None, place, hour, "clear")
    return draw_scene(scene, rng, SIZE, with_masks=False).image


def png(image: Image.Image) -> bytes:
    """The picture as a PNG file."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
