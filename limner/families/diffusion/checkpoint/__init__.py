"""Bringing in Stable Diffusion checkpoints as people have them, without torch where a graph template fits."""
