"""Recipes and model directories of the smallest matcher, in seconds."""

from __future__ import annotations

from pathlib import Path

import torch

from limner.families.matcher.export import export
from limner.families.matcher.model import MatcherNetwork
from limner.families.matcher.shape import Shape
from limner.families.words import END, UNKNOWN, Words
from limner.registry.manifest import Lineage
from limner.registry.models import Model
from limner.storybook.worlds import world

RECIPE = """
family = "matcher"
seed = 4
[data]
storybook_world = "creatures"
storybook_count = 40
size = 32
held_out = 0.2
[matcher]
steps = 4
batch_size = 6
channels = [4, 8]
image_layers = 1
text_width = 8
text_layers = 1
heads = 2
width = 8
words = 12
wrong = 2
shift = 2
warmup = 1
precision = "float32"
[model]
name = "small-matcher"
title = "Small"
description = "Four steps."
"""

LINEAGE = Lineage(
    data="none", data_hash="none", recipe="", commit="none", hardware="any", hours=0, examples=0
)


def make_tiny_matcher(directory: Path, dtype: torch.dtype = torch.float16) -> Model:
    """A model directory with random weights, called tiny-matcher@1, that knows the words of scenes."""
    words = Words(
        (END, UNKNOWN, *sorted({w for told in world("scenes").vocabulary() for w in told.split("-")})), 1
    )
    shape = Shape(
        vocabulary=len(words.words), tokens=16, side=32, channels=(8, 16), image_layers=1, text_width=16,
        text_layers=1, heads=2, width=16,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return export(
            directory, shape, words, MatcherNetwork(shape), name="tiny-matcher", version="1", title="Tiny",
            description="Random weights, for tests.", lineage=LINEAGE, dtype=dtype,
        )  # fmt: skip
