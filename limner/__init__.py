"""Limner: captioned pictures in, a text-to-image service out."""

__version__ = "0.1.0"
