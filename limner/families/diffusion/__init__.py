"""Latent diffusion in Stable Diffusion's layout; `program` and `tokenizer` are torch-free, the rest is not."""
