"""The best of several pictures: what `limner draw --best-of` keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .options import Backend

if TYPE_CHECKING:
    from ..api import Drawn


def nearest_of(
    reference: str | None,
    model: str,
    data_dir: Path | None,
    backend: Backend,
    prompt: str,
    best_of: int,
    count: int,
) -> Callable[[Sequence[Drawn]], int] | None:
    """Which of several pictures a matcher finds nearest to a prompt; None where only one is drawn."""
    from ..api import MAX_PICTURES
    from ..errors import InvalidInput, NotFound

    if best_of == 1:
        if reference is not None:
            raise InvalidInput(
                "--matcher chooses among several pictures: say how many with --best-of", "matcher"
            )
        return None
    if best_of * count > MAX_PICTURES:
        raise InvalidInput(
            f"--best-of {best_of} for --count {count} are {best_of * count} pictures; at most {MAX_PICTURES}",
            "best_of",
        )
    from ..families.matcher.matcher import rerank
    from ..families.matcher.opening import named_matcher
    from ..registry.models import Registry
    from ..registry.places import data_dir as place
    from ..storybook.worlds import world_learned

    registry = Registry(place(data_dir))
    if (
        reference is None
        and (world := world_learned(registry.find(model).manifest.lineage.recipe)) is not None
    ):
        reference = f"matcher-{world.name}"
    if reference is None:
        raise InvalidInput(f"name what chooses among pictures of '{model}' with --matcher", "matcher")
    try:
        found = named_matcher(registry, reference, backend.value)
    except NotFound as error:
        raise NotFound(
            f"{error}; a matcher chooses the best: train one, as with limner train recipes/matcher-scenes-cpu.toml, "
            "and name it with --matcher"
        ) from None
    return lambda drawn: rerank(found, prompt, [each.picture.pixels for each in drawn])
