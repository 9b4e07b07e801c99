"""Choosing how a model is drawn on a kind of machine: what is possible is tried, and what pays is written down."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ..engine.backends import backend, chosen
from ..engine.backends.choosing import gpus
from ..engine.backends.int8 import Table, table_of
from ..errors import InvalidInput, Unavailable
from ..evaluation.card import CARD_NAME, PAGE_NAME
from ..evaluation.machine import hardware
from ..evaluation.ways import put_on_card
from ..registry.choices import CHOICES_NAME, Choice, Choices
from ..registry.manifest import MANIFEST_NAME, Precision
from ..registry.models import Model, open_model
from ..storybook.captions import vocabulary
from ..storybook.worlds import Prompt, World, fresh_prompts, world
from ..workers import workers
from .calibration import sentences, trajectories
from .decoder import GRAPH as DECODER
from .decoder import round_decoder
from .measuring import Interval, Measured, Way, draw_with, psnr, statements
from .memory import check_told, peak_of
from .rounding import need_nncf, table_for, without_the_finest
from .unharmed import unharmed

TARGETS = ("cpu", "edge", "gpu")
INTERVALS: tuple[Interval, ...] = ((0.0, 1.0), (0.0, 0.8), (0.0, 0.6))
REUSES = (2, 3)  # steps that use the same deep features
LOSS = 0.01  # of the statements that hold: what speed may cost
NEAR = 18.0  # dB to float32 pictures, where no checker can tell
_SPARING = 1.05  # times longer that a picture may take so that its finest level is not rounded
_LIKE = 1.02  # times more memory that counts as the same
_SMALL = 100_000_000  # parameters
_GRAPH = "unet"
_TRIED = "optimizing-"  # begins the names of folders for what is compiled of ways that are only tried
_LONG = 86_400.0  # seconds, after which nothing is tried any more

Tell = Callable[[str], None]


def optimize(
    model: Model,
    data_dir: Path,
    prompts: int | None = None,
    guidance: bool = False,
    tell: Tell = lambda line: None,
    target: str = "cpu",
) -> tuple[Model, Choices]:
    """Measure ways to draw a model on this machine, and make the best one the model's own.

    Precisions come first; of the best one, deep features are then used for several steps. For `cpu` the best is the
    fastest that costs hardly any quality, for `edge` that which takes the least memory. For `gpu` that is the fastest
    on the GPU, where the precision stays as it is. With `guidance`, shorter parts of the steps to guide are tried too,
    where a checker can tell what that costs.

    A built-in model is copied into the data directory, as version `<version>-<target>`; any other is changed in place,
    and stays as it was where this does not come to its end. Gives the model and what was measured; `tell` is told what
    goes on. Unavailable without NNCF, which `gpu` does not need, and for `gpu` without one.
    """
    if model.manifest.sampler is None:
        raise InvalidInput(
            f"model '{model.name}' is of family {model.manifest.family}, which draws {model.manifest.way}; "
            "ways to draw are measured of diffusion models"
        )
    check_target(target)
    if target != "gpu":
        need_nncf()
    small = sum(graph.parameters for graph in model.manifest.graphs.values()) < _SMALL
    count = prompts or (200 if small else 2)
    copied = model.built_in
    model = _own(model, data_dir, target)
    changed = [table_of(model.graph_file(graph)) for graph in (_GRAPH, DECODER)]
    changed += [model.path / name for name in (MANIFEST_NAME, CHOICES_NAME, CARD_NAME, PAGE_NAME)]
    scratch = data_dir / "cache"
    scratch.mkdir(parents=True, exist_ok=True)
    _forget_killed(scratch)
    with (
        unharmed(changed, model.path if copied else None),
        # What is compiled of ways that are only tried goes with it: of a large model gigabytes.
        tempfile.TemporaryDirectory(dir=scratch, prefix=_TRIED) as compiled,
    ):
        choices = _choose(model, small, count, Path(compiled), guidance, tell, target)
    if copied:
        place = model.path.with_name(model.version)
        shutil.rmtree(place, ignore_errors=True)
        model.path.rename(place)
        return open_model(place), choices
    return open_model(model.path), choices


def _forget_killed(scratch: Path) -> None:
    """Delete what runs left here that were killed; one takes minutes, so of a day ago none is at work any more."""
    for left in scratch.glob(f"{_TRIED}*"):
        if time.time() - left.stat().st_mtime > _LONG:
            shutil.rmtree(left, ignore_errors=True)


def _choose(
    model: Model, small: bool, count: int, data_dir: Path, guidance: bool, tell: Tell, target: str
) -> Choices:
    runtime, precisions = _what_draws(model, target)
    choosable = precisions if target == "gpu" else ("float32", *precisions)
    if target != "gpu":
        _make_table(model, small, data_dir, tell)
        round_decoder(model, small, tell)
    of = _checker(model)
    wanted = [] if of is None else list(fresh_prompts(of, count))
    texts = [prompt.text for prompt in wanted] or sentences(model, count)
    own = model.manifest.stepping.guidance_interval
    if guidance and of is None:
        tell("guidance stays as it is: no checker knows this model's words")
        guidance = False
    intervals = list(dict.fromkeys([*INTERVALS, own])) if guidance else [own]
    with ExitStack() as stack:
        pool = stack.enter_context(workers()) if of is not None else None
        tell(f"drawing {count} sentences in float32, to compare with")
        exact = Way("float32", intervals[0], reuse=1)
        true = draw_with(model, exact, texts, data_dir, runtime)
        rows = [_row(exact, true, true, wanted, of, pool)]
        ways = [Way(precision, part, reuse=1) for precision in precisions for part in intervals]

        def measure(way: Way) -> None:
            first, last = way.interval or (0.0, 1.0)
            whole = f", deep features every {way.reuse} steps" if way.reuse != 1 else ""
            tell(f"drawing them in {way.precision}, guided from {first:g} to {last:g} of the steps{whole}")
            rows.append(_row(way, draw_with(model, way, texts, data_dir, runtime), true, wanted, of, pool))

        for way in ways:
            if way != exact:
                measure(way)
        found = _best([row for row in rows if row.precision in choosable])
        for reuse in REUSES:
            measure(Way(found.precision, found.guidance_interval, reuse=reuse))
    if target == "edge":
        tell("drawing once each way in a process of its own, to see what memory it takes")
        rows = [row.model_copy(update={"memory": peak_of(model, row, texts[0], data_dir)}) for row in rows]
    fit = [row for row in rows if row.precision in choosable]
    best = _smallest(fit) if target == "edge" else _best(fit)
    choices = Choices(
        target=target,
        machine=_machine(runtime),
        created=f"{datetime.now(UTC):%Y-%m-%d}",
        prompts=count,
        rows=tuple(row.model_copy(update={"chosen": row is best}) for row in rows),
    )
    choices.write(model.path)
    settings = {"guidance_interval": best.guidance_interval, "feature_reuse": best.feature_reuse}
    sampler = model.manifest.stepping.model_copy(update=settings)
    update: dict[str, object] = {"sampler": sampler}
    if target != "gpu":
        update["precision"] = best.precision
    model.manifest.model_copy(update=update).write(model.path)
    put_on_card(model, choices)
    return choices


def check_target(target: str) -> None:
    """InvalidInput or Unavailable unless it is a kind of machine that can be measured here."""
    if target == "gpu":
        if not gpus():
            raise Unavailable("--for gpu: no GPU was found; measure on the processor with --for cpu or edge")
        chosen("auto@cuda")  # raises where nothing that is installed draws on it
    if target == "edge":
        check_told()
    if target not in TARGETS:
        raise InvalidInput(f"--for {target}: known: {', '.join(TARGETS)}", field="for")


def _what_draws(model: Model, target: str) -> tuple[str, tuple[Precision, ...]]:
    """The backend that a target is measured with, and the precisions that are measured beside float32.

    A GPU draws in one alone: by torch in bfloat16 unless the model says float32, by ONNX Runtime in float32.
    """
    if target != "gpu":
        return "openvino@cpu", ("bfloat16", "int8")
    choice = chosen("auto@cuda")
    half = choice.backend == "torch" and model.manifest.precision != "float32"
    return choice.name, ("bfloat16" if half else "float32",)


def _machine(runtime: str) -> str:
    """What drew, in words."""
    if runtime == "torch@cuda":
        import torch

        return torch.cuda.get_device_name(0)
    return hardware()


def _own(model: Model, data_dir: Path, target: str) -> Model:
    """The model where it may be changed: a built-in one as a copy beside its later place."""
    if not model.built_in:
        return model
    version = f"{model.version}-{target}"
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
        drawn = draw_with(model, Way("int8", reuse=1), sentences(model, 16 if small else 1), data_dir)
        seconds.setdefault(len(table.weights), []).append(drawn.seconds)
    whole_best, spared_best = (min(seconds[len(table.weights)]) for table in (whole_table, spared))
    _put(spared if spared_best <= whole_best * _SPARING else whole_table, graph)


def _put(table: Table, graph: Path) -> None:
    table_of(graph).write_text(table.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _checker(model: Model) -> World | None:
    """The world whose statements tell how well a model draws: scenes, where it knows their words. One that was tuned on
    somebody's own pictures knows them still, and may draw none of them any more."""
    knows = set(model.manifest.vocabulary or ()) >= set(vocabulary())
    return world("scenes") if knows and model.manifest.lineage.folder is None else None


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
        feature_reuse=way.reuse or 1,
        seconds=round(drawn.seconds, 4),
        statements=None if share is None else round(share, 4),
        psnr=None if drawn is true else round(psnr(drawn.pictures, true.pictures), 1),
    )


def _fair(rows: Sequence[Choice]) -> list[Choice]:
    """Those that cost no more than they may: in statements that hold, or in nearness where none are checked."""
    exact = rows[0]

    def fair(row: Choice) -> bool:
        if row is exact:
            return True
        if row.statements is not None and exact.statements is not None:
            return row.statements >= exact.statements - LOSS
        return row.psnr is not None and row.psnr >= NEAR

    return list(filter(fair, rows))


def _best(rows: Sequence[Choice]) -> Choice:
    """The fastest fair one."""
    return min(_fair(rows), key=lambda row: row.seconds)


def _smallest(rows: Sequence[Choice]) -> Choice:
    """Of the fair ones that take the least memory, give or take what a measurement does, the fastest."""
    fair = _fair(rows)
    least = min(row.memory or 0 for row in fair)
    return min((row for row in fair if (row.memory or 0) <= least * _LIKE), key=lambda row: row.seconds)
