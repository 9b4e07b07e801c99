"""A complete model directory with random weights, made in seconds by the real export code."""

from __future__ import annotations

import tempfile
from pathlib import Path

from limner.registry.manifest import Lineage, SamplerDefaults

LENGTH = 16
UNET = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 32,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
}
AUTOENCODER = {
    "block_out_channels": (8, 8, 16, 16),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 4,
    "sample_size": 64,
    "scaling_factor": 0.5,
}
TEXT_ENCODER = {
    "vocab_size": 514,
    "hidden_size": 32,
    "intermediate_size": 64,
    "projection_dim": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": LENGTH,
    "bos_token_id": 512,
    "eos_token_id": 513,
    "pad_token_id": 513,
}


def make_tiny_pipeline(directory: Path) -> Path:
    """A diffusers folder: UNet (16, 32) on latents 4x8x8, pictures of 64 px, 16 tokens of 32."""
    import torch
    from diffusers import DDIMScheduler
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    from limner.families.diffusion.model import (
        build_autoencoder,
        build_text_encoder,
        build_unet,
        save_pipeline,
    )

    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)}, merges=[], model_max_length=LENGTH
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        save_pipeline(
            directory,
            unet=build_unet(UNET),
            vae=build_autoencoder(AUTOENCODER),
            text_encoder=build_text_encoder(TEXT_ENCODER),
            tokenizer=tokenizer,
            scheduler=DDIMScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                prediction_type="v_prediction",
                clip_sample=False,
                set_alpha_to_one=False,
                steps_offset=1,
            ),
        )
    return directory


def make_tiny_model(directory: Path) -> Path:
    """A model directory made from `make_tiny_pipeline`, called tiny@1."""
    from limner.families.diffusion.export import export

    with tempfile.TemporaryDirectory() as folder:
        export(
            make_tiny_pipeline(Path(folder) / "pipeline"),
            directory,
            name="tiny",
            version="1",
            title="Tiny",
            description="Random weights, for tests.",
            lineage=Lineage(
                data="none",
                data_hash="none",
                recipe="tests/tiny_model.py",
                commit="none",
                hardware="any",
                hours=0,
                examples=0,
            ),
            vocabulary=("a", "apple", "on", "red", "table", "wooden"),
            sampler=SamplerDefaults(steps=4, guidance_scale=3.0),
        )
    return directory
