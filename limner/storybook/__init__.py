"""Storybook: the built-in picture world."""
