"""The worlds of Storybook by name: what a set, frozen prompts and a card are made from.

A world knows its own scene graphs; everybody else passes them on without looking inside.
"""

from __future__ import annotations

import json
from typing import Any

from ...errors import NotFound
from .birds import Birds
from .creatures import Creatures
from .fresh import FRESH, fresh_prompts
from .scenes import Scenes
from .world import Example, Prompt, Verdict, World, check_drawings
from .wrong import Wrong, wrong_captions

__all__ = [
    "FRESH",
    "WORLDS",
    "Example",
    "Prompt",
    "Verdict",
    "World",
    "Wrong",
    "check_drawings",
    "fresh_prompts",
    "world",
    "world_learned",
    "wrong_captions",
]

WORLDS: dict[str, World] = {one.name: one for one in (Scenes(), Creatures(), Birds())}


def world(name: str) -> World:
    """The world called `name`; NotFound lists them."""
    if name not in WORLDS:
        raise NotFound(f"world '{name}' not found; known: {', '.join(WORLDS)}")
    return WORLDS[name]


def world_learned(recipe: str) -> World | None:
    """The world that the recipe (JSON) in a model's lineage draws; None where it draws none, or is not understood."""
    try:
        data: Any = json.loads(recipe)["data"]
        drawn = data.get("folder") is None and data.get("storybook_count")
        # Recipes that were written before there were other worlds do not name theirs.
        return WORLDS.get(data.get("storybook_world", Scenes.name)) if drawn else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
