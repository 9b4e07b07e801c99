"""Whatever `--matcher` names: a matcher trained here, or a CLIP checkpoint; and what chooses where nobody names one."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ...errors import InvalidInput, NotFound, Unavailable
from ...registry.models import Registry
from ...storybook.worlds import world_learned
from .matcher import Matcher, open_matcher


def named_matcher(registry: Registry, reference: str, backend: str = "auto") -> Matcher:
    """The matcher that a reference means: a model as `Registry.find`, or a folder with a CLIP checkpoint.

    Errors as `open_matcher` and `open_clip`; Unavailable where a checkpoint needs the extra that is missing.
    """
    folder = Path(reference)
    if (folder / "config.json").is_file():
        if not all(importlib.util.find_spec(name) for name in ("torch", "transformers")):
            raise Unavailable(
                f"the CLIP checkpoint {folder} needs torch and transformers; "
                "in a clone of Limner: pip install -e '.[train]' -c constraints.txt"
            )
        from .clip import open_clip

        return open_clip(folder)
    return open_matcher(registry.find(reference), backend)


def chooser(registry: Registry, model: str, reference: str | None, backend: str = "auto") -> Matcher:
    """What chooses the best of several pictures of a model: the matcher that is named, else matcher-<world> of the
    world that the model has learned.

    InvalidInput where it has learned none, NotFound says how to get a matcher; else errors as `named_matcher`.
    """
    if reference is None:
        world = world_learned(registry.find(model).manifest.lineage.recipe)
        if world is None:
            raise InvalidInput(f"name the matcher that chooses among pictures of '{model}'", "matcher")
        reference = f"matcher-{world.name}"
    try:
        return named_matcher(registry, reference, backend)
    except NotFound as error:
        raise NotFound(
            f"{error}; a matcher chooses the best: train one, as with limner train recipes/matcher-scenes-cpu.toml, "
            "and name it"
        ) from None
