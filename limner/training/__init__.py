"""Training: one loop for every family, recipes, checkpoints, and caches of what is made once (torch, accelerate)."""
