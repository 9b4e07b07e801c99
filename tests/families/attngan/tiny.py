"""Recipes and model directories of the smallest AttnGAN, in seconds."""

from __future__ import annotations

from pathlib import Path

import torch

from limner.families.attngan.export import export
from limner.families.attngan.generator import Generator
from limner.families.attngan.shape import Shape
from limner.families.attngan.text import TextEncoder
from limner.families.words import END, UNKNOWN, Words
from limner.registry.manifest import Lineage
from limner.registry.models import Model

WORDS = Words((END, UNKNOWN, "a", "bird", "black", "crown", "has", "the", "yellow"), 1)
SHAPE = Shape(
    vocabulary=len(WORDS.words),
    tokens=6,
    embedding=8,
    text_width=12,
    noise=10,
    condition=6,
    channels=4,
    doublings=2,
)
RECIPE = """
family = "attngan"
seed = 4
[data]
storybook_world = "creatures"
storybook_count = 24
size = 72
held_out = 0.2
[damsm]
steps = 4
batch_size = 4
embedding = 8
text_width = 12
words = 6
words_drawn = 8
channels = [4, 8, 8]
warmup = 1
[gan]
steps = 4
batch_size = 4
noise = 10
condition = 6
channels = 4
doublings = 2
discriminator_channels = 4
precision = "float32"
flip = true
[model]
name = "small"
title = "Small"
description = "Four steps of each."
"""

LINEAGE = Lineage(
    data="none", data_hash="none", recipe="", commit="none", hardware="any", hours=0, examples=0
)


def make_tiny_attngan(directory: Path, dtype: torch.dtype = torch.float16) -> Model:
    """A model directory with random weights, called tiny-attngan@1: pictures of 16, 32 and 64 px."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        text, generator = TextEncoder(SHAPE), Generator(SHAPE)
        for module in generator.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                assert module.running_mean is not None and module.running_var is not None
                torch.nn.init.normal_(module.running_mean)
                torch.nn.init.uniform_(module.running_var, 0.5, 2)
        return export(
            directory, SHAPE, WORDS, text, generator, name="tiny-attngan", version="1", title="Tiny",
            description="Random weights, for tests.", lineage=LINEAGE, dtype=dtype,
        )  # fmt: skip
