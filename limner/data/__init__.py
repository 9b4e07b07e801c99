"""Captioned sets: reading, checking and splitting them, loading their pictures, writing Storybook's."""

from .captioned import CaptionedSet, Item, read_set
from .check import Finding, Report, check_set
from .pictures import load_mask, load_picture
from .split import mixed, split
from .storybook import write_storybook

__all__ = [
    "CaptionedSet",
    "Finding",
    "Item",
    "Report",
    "check_set",
    "load_mask",
    "load_picture",
    "mixed",
    "read_set",
    "split",
    "write_storybook",
]
