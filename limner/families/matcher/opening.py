"""Whatever `--matcher` names: a matcher trained here, or a CLIP checkpoint; and what chooses where nobody names one."""

from __future__ import annotations

import importlib.util
from importlib import import_module
from pathlib import Path

from ...engine.backends import Backend
from ...errors import InvalidInput, NotFound, Unavailable
from ...registry.models import Model, Registry, is_path
from ...storybook.worlds import world_learned
from .matcher import Matcher, check_matches, open_matcher


def named_matcher(registry: Registry, reference: str, backend: Backend | None = None) -> Matcher:
    """The matcher that a reference means: a model as `Registry.find`, or a path to a folder with a CLIP checkpoint.

    Errors as `open_matcher` and `open_clip`; Unavailable where a checkpoint needs the extra that is missing.
    """
    if is_checkpoint(reference):
        if not all(importlib.util.find_spec(name) for name in ("torch", "transformers")):
            raise Unavailable(
                f"the CLIP checkpoint {reference} needs torch and transformers; "
                "in a clone of Limner: pip install -e '.[train]' -c constraints.txt"
            )
        found: Matcher = import_module(f"{__package__}.clip").open_clip(Path(reference))
        return found
    return open_matcher(registry.find(reference), backend)


def folder_of(registry: Registry, reference: str) -> Path:
    """Where the matcher of a reference lies; NotFound without it."""
    return Path(reference) if is_checkpoint(reference) else registry.find(reference).path


def typed_here(reference: str) -> str:
    """A reference that somebody typed on this machine: that of a checkpoint's folder in this one as a path. What comes
    from elsewhere is never taken for a folder."""
    return (
        f"./{reference}"
        if (Path(reference) / "config.json").is_file() and not is_path(reference)
        else reference
    )


def is_checkpoint(reference: str) -> bool:
    """Whether a reference is a path, which has a slash in it as that of a model has, to a CLIP checkpoint."""
    return is_path(reference) and (Path(reference) / "config.json").is_file()


def chooser(registry: Registry, model: Model, reference: str | None) -> str:
    """What chooses the best of several pictures of a model, with its version: the matcher that is named, else
    matcher-<world> of the world that the model has learned. Nothing but small files is read.

    InvalidInput where it has learned none, where there is no such matcher, or a model that draws is named.
    """
    if reference is None:
        world = world_learned(model.manifest.lineage.recipe)
        if world is None:
            raise InvalidInput(f"name the matcher that chooses among pictures of '{model.name}'", "matcher")
        reference = f"matcher-{world.name}"
    if is_checkpoint(reference):
        return reference
    try:
        found = registry.find(reference)
    except NotFound as error:
        raise InvalidInput(
            f"{error}; a matcher chooses the best: train one, as with limner train recipes/matcher-scenes-cpu.toml, "
            "and name it",
            "matcher",
        ) from None
    check_matches(found)
    return reference if is_path(reference) else f"{found.name}@{found.version}"
