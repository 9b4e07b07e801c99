"""Pocket monsters: a second world, which a model trained on scenes has never seen."""
