"""`limner evaluate`: what a model is asked, on the bench, and its card written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import InvalidInput, NotFound
from ..families.matcher.matcher import Matcher
from ..families.matcher.opening import named_matcher, typed_here
from ..registry.making import check_writable, write_whole
from ..registry.models import Model, Registry
from ..registry.places import data_dir as place_of
from ..workers import workers
from .asking import Drawn, Tell
from .bench import Evaluation, Judges, evaluated
from .card import PAGE_NAME
from .matching import matching
from .material import Frozen, Material, Sentences, material_of, own_world
from .page import Shown, page
from .standard import open_inception

_SHOWN = 24


def evaluate(
    reference: str,
    out: Path | None = None,
    seeds: int = 3,
    count: int | None = None,
    data_dir: Path | None = None,
    data: str | None = None,
    prompts: str | None = None,
    matcher: str | None = None,
    inception: Path | None = None,
) -> Path:
    """Draw what `data` or `prompts` ask (see `material_of`) with `seeds` seeds, and write card.json and card.html.

    They go into `out`; without it into the model's own directory, or for a built-in model and for anything but the
    world that it has learned into runs/evaluate-<name>-<version>-<data>. `count` keeps to the first prompts of each
    file. What needs an encoder is measured with `matcher`, by default the model matcher-<world> where there is one;
    with `inception`, a file of weights, FID is. Of a matcher itself it is measured how well it tells true pictures
    apart. Gives the folder; raises NotFound for what is not there, Unavailable for what is not installed and a folder
    that cannot be written, both before anything is drawn, and what the drawing raises.
    """
    registry = Registry(place_of(data_dir))
    model = registry.find(reference)
    material = material_of(model, data, prompts, count)
    folder = folder_of(model, material, out)
    check_writable(folder)
    with workers() as pool, bars() as tell:
        if model.manifest.draws:
            judges = judges_for(registry, matcher, material, inception)
            _tell_what_is_missing(material, judges)
            found = evaluated(registry, model, material, seeds, judges, pool, tell)
        else:
            found = Evaluation(matching(model, material, pool, tell), {})
    write(found, folder)
    return folder


def _tell_what_is_missing(material: Material, judges: Judges) -> None:
    """Say before hours of drawing that nothing will be measured."""
    if material.world is None and judges["matcher"] is None and judges["inception"] is None:
        Console(stderr=True).print(
            f"No matcher is named, and no checker knows {material.name}: pictures are drawn and shown, and nothing is "
            "measured of them. --matcher names one (limner train recipes/matcher-*.toml, or a CLIP checkpoint's folder)"
        )


def write(found: Evaluation, folder: Path) -> None:
    """Write card.json and card.html into a folder that is there."""
    shown = {name: shown_of(drawn, _SHOWN) for name, drawn in found.drawn.items()}
    write_whole(folder / PAGE_NAME, page(found.card, shown, found.closest))
    found.card.write(folder)


def shown_of(drawn: Drawn, most: int) -> list[Shown]:
    """Pictures to show, evenly over a file and always of the first seed: not chosen by how they came out."""
    first = drawn.asked[0].seed
    places = [k for k, one in enumerate(drawn.asked) if one.seed == first]
    chosen = places[:: max(1, len(places) // most)][:most]
    return [
        Shown(
            drawn.asked[k].prompt.text,
            drawn.pictures[k],
            drawn.verdicts[k].own if drawn.verdicts is not None else (),
        )
        for k in chosen
    ]


def folder_of(model: Model, material: Material, out: Path | None) -> Path:
    """Where a card goes; a model has one card of its own, that of the world that it has learned, else of scenes."""
    if out is not None:
        return out
    world = own_world(model)
    own = isinstance(material, Frozen) and world is not None and material.name == world.name
    own = own and not model.built_in
    return model.path if own else Path("runs") / f"evaluate-{model.name}-{model.version}-{material.name}"


def judges_for(registry: Registry, matcher: str | None, material: Material, inception: Path | None) -> Judges:
    """The matcher that is named, else that of the material's world, else none; and Inception's weights.

    NotFound without the weights, InvalidInput where they are others, Unavailable where what reads them is missing.
    """
    if inception is not None:
        if isinstance(material, Sentences):
            raise InvalidInput(
                "FID needs true pictures, which sentences alone do not have: ask by --data", "inception"
            )
        open_inception(inception)  # what is wrong with it is told before anything is drawn
    return Judges(matcher=_matcher(registry, matcher, material), inception=inception)


def _matcher(registry: Registry, reference: str | None, material: Material) -> Matcher | None:
    if reference is not None:
        return named_matcher(registry, typed_here(reference))
    if material.world is None:
        return None
    try:
        return named_matcher(registry, f"matcher-{material.world.name}")
    except NotFound:
        return None


@contextmanager
def bars() -> Iterator[Tell]:
    """Progress on the standard error: a bar for each thing that is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def tell(words: str, total: int) -> Callable[[int], None]:
            row = progress.add_task(words, total=total)
            return lambda done: progress.update(row, completed=done)

        yield tell
