"""Choosing how a model is drawn on a kind of machine: what is possible is tried, and what pays is written down."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ..engine.backends import backend
from ..engine.backends.int8 import Table, table_of
from ..errors import InvalidInput
from ..evaluation.checking import checkers
from ..evaluation.run import hardware
from ..registry.choices import Choice, Choices
from ..registry.models import Model, open_model
from ..storybook.captions import vocabulary
from ..storybook.worlds import Prompt, World, world
from .calibration import sentences, trajectories
from .measuring import Interval, Measured, Way, draw_with, fresh_prompts, psnr, statements
from .rounding import need_nncf, table_for, without_the_finest

TARGETS = ("cpu",)
INTERVALS: tuple[Interval, ...] = ((0.0, 1.0), (0.0, 0.8), (0.0, 0.6))
LOSS = 0.01  # of the statements that hold: what speed may cost
NEAR = 18.0  # dB to float32 pictures, where no checker can tell
_SPARING = 1.05  # times longer that a picture may take so that its finest level is not rounded
_SMALL = 100_000_000  # parameters
_GRAPH = "unet"

Tell = Callable[[str], None]


def optimize(
    model: Model,
    data_dir: Path,
    prompts: int | None = None,
    guidance: bool = False,
    tell: Tell = lambda line: None,
) -> tuple[Model, Choices]:
    """Measure ways to draw a model on this machine's processor, and make the best one the model's own.

    With `guidance`, shorter parts of the steps to guide are tried too, where a checker can tell what that costs. A
    built-in model is copied into the data directory, as version `<version>-cpu`; any other is changed in place. Gives
    the model and what was measured; `tell` is told what goes on. Unavailable without NNCF.
    """
    if model.manifest.sampler is None:
        raise InvalidInput(
            f"model '{model.name}' is of family {model.manifest.family}, which draws in one step; "
            "ways to draw are measured of diffusion models"
        )
    need_nncf()
    small = sum(graph.parameters for graph in model.manifest.graphs.values()) < _SMALL
    count = prompts or (200 if small else 2)
    copied = model.built_in
    model = _own(model, data_dir)
    _make_table(model, small, data_dir, tell)
    of = world("scenes") if set(model.manifest.vocabulary or ()) >= set(vocabulary()) else None
    wanted = [] if of is None else fresh_prompts(of, count)
    texts = [prompt.text for prompt in wanted] or sentences(model, count)
    own = model.manifest.stepping.guidance_interval
    if guidance and of is None:
        tell("guidance stays as it is: no checker knows this model's words")
        guidance = False
    intervals = list(dict.fromkeys([*INTERVALS, own])) if guidance else [own]
    with ExitStack() as stack:
        pool = stack.enter_context(checkers()) if of is not None else None
        tell(f"drawing {count} sentences in float32, to compare with")
        exact = Way("float32", intervals[0])
        true = draw_with(model, exact, texts, data_dir)
        rows = [_row(exact, true, true, wanted, of, pool)]
        for precision in ("bfloat16", "int8"):
            for interval in intervals:
                way = Way(precision, interval)
                tell(
                    f"drawing them in {precision}, guided from {interval[0]:g} to {interval[1]:g} of the steps"
                )
                rows.append(_row(way, draw_with(model, way, texts, data_dir), true, wanted, of, pool))
    best = _best(rows)
    chosen = tuple(row.model_copy(update={"chosen": row is best}) for row in rows)
    choices = Choices(
        target="cpu", machine=hardware(), created=f"{datetime.now(UTC):%Y-%m-%d}", prompts=count, rows=chosen
    )
    choices.write(model.path)
    sampler = model.manifest.stepping.model_copy(update={"guidance_interval": best.guidance_interval})
    update = {"precision": best.precision, "sampler": sampler}
    model.manifest.model_copy(update=update).write(model.path)
    if copied:
        place = model.path.with_name(model.version)
        shutil.rmtree(place, ignore_errors=True)
        model.path.rename(place)
        return open_model(place), choices
    return open_model(model.path), choices


def check_target(target: str) -> None:
    """InvalidInput unless it is a kind of machine that can be measured here."""
    if target not in TARGETS:
        raise InvalidInput(f"--for {target}: known: {', '.join(TARGETS)}", field="for")


def _own(model: Model, data_dir: Path) -> Model:
    """The model where it may be changed: a built-in one as a copy beside its later place."""
    if not model.built_in:
        return model
    version = f"{model.version}-cpu"
    folder = data_dir / "models" / model.name / f".{version}.partial"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(model.path, folder)
    model.manifest.model_copy(update={"version": version}).write(folder)
    return open_model(folder)


def _make_table(model: Model, small: bool, data_dir: Path, tell: Tell) -> None:
    tell("drawing pictures to see what the denoiser reads")
    texts = sentences(model, 32 if small else 4)
    # Not by an earlier table: its ranges would bound what is seen.
    whole = replace(model, manifest=model.manifest.model_copy(update={"precision": "bfloat16"}))
    samples = trajectories(whole, backend("openvino"), texts, 4 if small else 3, _GRAPH)
    tell(f"choosing 8-bit ranges by {len(samples)} of its calls")
    graph = model.graph_file(_GRAPH)
    whole_table = table_for(graph, samples)
    spared = without_the_finest(graph, whole_table)
    seconds: dict[int, list[float]] = {}
    # In turns, the best of each: a slow moment of the machine must not decide.
    for table in (whole_table, spared) * (2 if small else 1):
        tell(f"timing 8 bits with {len(table.weights)} layers rounded")
        _put(table, graph)
        drawn = draw_with(model, Way("int8"), sentences(model, 16 if small else 1), data_dir)
        seconds.setdefault(len(table.weights), []).append(drawn.seconds)
    whole_best, spared_best = (min(seconds[len(table.weights)]) for table in (whole_table, spared))
    _put(spared if spared_best <= whole_best * _SPARING else whole_table, graph)


def _put(table: Table, graph: Path) -> None:
    table_of(graph).write_text(table.model_dump_json(indent=1) + "\n")


def _row(
    way: Way, drawn: Measured, true: Measured, prompts: list[Prompt], of: World | None, pool: Executor | None
) -> Choice:
    assert way.interval is not None
    share = None
    if of is not None and pool is not None:
        share = statements(drawn.pictures, prompts, of, pool).every.share
    return Choice(
        precision=way.precision,
        guidance_interval=way.interval,
        seconds=round(drawn.seconds, 4),
        statements=None if share is None else round(share, 4),
        psnr=None if drawn is true else round(psnr(drawn.pictures, true.pictures), 1),
    )


def _best(rows: Sequence[Choice]) -> Choice:
    """The fastest that costs no more than it may: in statements that hold, or in nearness where none are checked."""
    exact = rows[0]

    def fair(row: Choice) -> bool:
        if row is exact:
            return True
        if row.statements is not None and exact.statements is not None:
            return row.statements >= exact.statements - LOSS
        return row.psnr is not None and row.psnr >= NEAR

    return min(filter(fair, rows), key=lambda row: row.seconds)
