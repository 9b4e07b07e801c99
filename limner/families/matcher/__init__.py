"""A small CLIP (Radford et al. 2021): it judges pictures and texts and draws nothing; `matcher` is torch-free."""
