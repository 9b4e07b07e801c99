"""Recipes and model directories of the smallest Parti, in seconds."""

from __future__ import annotations

from pathlib import Path

import torch

from limner.families.parti.export import export
from limner.families.parti.image_tokenizer import ImageTokenizer
from limner.families.parti.shape import ImageTokens, Subjects, Transformer
from limner.families.parti.text import TextTokenizer
from limner.families.parti.transformer import TokenTransformer
from limner.registry.manifest import Lineage, TokenDefaults
from limner.registry.models import Model

CAPTIONS = ("a red apple on a wooden table", "two blue robots in the desert", 'a sign that says "open"')
TEXT = TextTokenizer.learn(CAPTIONS, 80)
IMAGE = ImageTokens(
    size=32, patch=8, width=16, layers=1, heads=2, mlp=32, code_width=4, codes=24, convolutions=(4, 8, 8)
)
TRANSFORMER = Transformer(
    text_vocabulary=len(TEXT), text_tokens=12, encoder_layers=1, decoder_layers=2, width=16, mlp=32, heads=2,
    tied=True, above=4,
)  # fmt: skip
RECIPE = """
family = "parti"
seed = 4
[data]
storybook_world = "scenes"
storybook_count = 24
size = 32
held_out = 0.2
[tokenizer]
steps = 4
batch_size = 4
width = 16
layers = 1
heads = 2
mlp = 32
code_width = 4
codes = 24
convolutions = [4, 8, 8]
warmup = 1
revive_every = 2
[decoder]
steps = 4
batch_size = 4
warmup = 1
[transformer]
steps = 4
batch_size = 4
text_vocabulary = 80
text_tokens = 12
encoder_layers = 1
decoder_layers = 2
width = 16
mlp = 32
heads = 2
above = 4
mask_weight = 1.0
simple_until = 0.5
planned = 3
warmup = 1
precision = "float32"
[model]
name = "small"
title = "Small"
description = "Four steps of each."
top_k = 8
"""

LINEAGE = Lineage(
    data="none", data_hash="none", recipe="", commit="none", hardware="any", hours=0, examples=0
)


def make_transformer(
    shape: Transformer = TRANSFORMER, dropout: float = 0.0, subjects: Subjects | None = None
) -> TokenTransformer:
    """A transformer over the tokens of IMAGE, whose random weights are large enough to make differences."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        made = TokenTransformer(shape, IMAGE.codes, IMAGE.side, dropout, subjects).eval()
        for weight in made.parameters():
            torch.nn.init.normal_(weight, std=0.3)
    return made


def make_tiny_parti(directory: Path, dtype: torch.dtype = torch.float16) -> Model:
    """A model directory with random weights, called tiny-parti@1: pictures of 32 px in 16 tokens."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        tokenizer = ImageTokenizer(IMAGE).eval()
    return export(
        directory, TEXT, tokenizer, make_transformer(), name="tiny-parti", version="1", title="Tiny",
        description="Random weights, for tests.", lineage=LINEAGE, dtype=dtype,
        defaults=TokenDefaults(steps=IMAGE.side, top_k=8), vocabulary=("a", "apple", "red"),
    )  # fmt: skip
