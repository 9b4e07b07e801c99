"""`make bench`: one table, one row a figure, Limner against diffusers on the same weights in the same run.

Every figure is the median of repeats, and what is compared takes turns, so that a slow minute of the machine
meets both. "Like for like" is the same sampler, steps, guidance on every step, and seed, in bfloat16; "as Limner
chooses" is what the model's manifest says, its precision included. Processes that wait for their turn use no processor
time.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.registry.models import Model, Registry

from . import cold
from .arrivals import PROMPTS
from .machine import busy, describe
from .reference import Reference
from .serving import Served
from .users import Together, draw_in_turn, draw_together

# Forms of a network for many rows are compiled in the background once they have been asked for often.
_WARMING, _COMPILING = 4, 5.0
LIKE = "like-for-like"


@dataclass(frozen=True)
class Row:
    """One figure: Limner's, what it is held against, and how many times better Limner is."""

    what: str
    unit: str
    limner: float
    against: str = ""
    other: float | None = None
    better: float | None = None


@dataclass(frozen=True)
class Setting:
    """What is measured: a model, how it is asked, and how often."""

    model: Path
    requests: list[DrawRequest]
    chosen: list[DrawRequest]
    repeats: int
    folder: Path


def in_turns(repeats: int, **measured: Callable[[int], float]) -> dict[str, list[float]]:
    """Seconds of each callable, called in turns; the first turn warms up and is not kept."""
    found: dict[str, list[float]] = {name: [] for name in measured}
    for turn in range(repeats + 1):
        for name, call in measured.items():
            seconds = call(turn)
            if turn:
                found[name].append(seconds)
    return found


def measure_cold(setting: Setting) -> list[Row]:
    """Whole processes."""
    request, folder = setting.chosen[0], setting.folder
    first = cold.limner_draw(request, folder)
    found = in_turns(
        max(2, setting.repeats // 3),
        limner=lambda turn: cold.limner_draw(request, folder),
        other=lambda turn: cold.diffusers_draw(request, setting.model, folder),
    )
    return [
        Row("cold `limner draw`, the first ever", "s", first),
        _faster("cold `limner draw`", median(found["limner"]), "diffusers script", median(found["other"])),
    ]


def measure_warm(setting: Setting, studio: LocalStudio, reference: Reference) -> list[Row]:
    """One picture, everything loaded; and whether both draw the same one."""

    def limner(requests: list[DrawRequest], turn: int) -> float:
        began = time.perf_counter()
        studio.draw(requests[turn % len(requests)])
        return time.perf_counter() - began

    found = in_turns(
        setting.repeats,
        same=lambda turn: limner(setting.requests, turn),
        other=lambda turn: reference.draw(setting.requests[turn % len(setting.requests)]),
        chosen=lambda turn: limner(setting.chosen, turn),
    )
    same, chosen, other = (median(found[name]) for name in ("same", "chosen", "other"))
    steps, fewer = setting.requests[0].steps, setting.chosen[0].steps
    return [
        _faster(f"warm picture, {steps} guided steps, like for like", same, "diffusers fp32 eager", other),
        _faster(f"warm picture, as Limner chooses ({fewer} steps)", chosen, "diffusers fp32 eager", other),
        Row("same seed, same picture: PSNR against diffusers", "dB", _psnr(setting, studio, reference)),
        Row(
            "the same in the precision that Limner chooses",
            "dB",
            _psnr(setting, studio, reference, setting.model),
        ),
        Row("memory of diffusers after drawing", "MB", reference.megabytes()),
    ]


def measure_words(setting: Setting, studio: LocalStudio) -> list[Row]:
    """One picture that tells which word drew what, against the same that does not."""
    telling = [request.model_copy(update={"attention": True}) for request in setting.chosen]

    def seconds(requests: list[DrawRequest], turn: int) -> float:
        began = time.perf_counter()
        studio.draw(requests[turn % len(requests)])
        return time.perf_counter() - began

    for turn in range(_WARMING):
        seconds(telling, turn)
    time.sleep(_COMPILING)
    found = in_turns(
        setting.repeats,
        plain=lambda turn: seconds(setting.chosen, turn),
        telling=lambda turn: seconds(telling, turn),
    )
    plain, told = median(found["plain"]), median(found["telling"])
    return [_faster("picture that tells which word drew what", told, "without", plain)]


def measure_users(setting: Setting, studio: LocalStudio) -> list[Row]:
    """One user, and eight at once against eight in turn, as Limner chooses."""
    together: list[Together] = []
    turns: list[Together] = []
    one: list[float] = []
    for _ in range(_WARMING):
        draw_together(studio, setting.chosen)
    time.sleep(_COMPILING)
    for turn in range(max(2, setting.repeats // 2)):
        one.append(draw_together(studio, [setting.chosen[turn % len(setting.chosen)]]).total)
        together.append(draw_together(studio, setting.chosen))
        turns.append(draw_in_turn(studio, setting.chosen))
    count = len(setting.chosen)
    rate = count / median(result.total for result in together)
    in_turn = count / median(result.total for result in turns)
    return [
        Row("1 user", "pictures/s", 1 / median(one)),
        Row(f"{count} users at once", "pictures/s", rate, "one after another", in_turn, rate / in_turn),
        _faster(
            f"first preview of the last of {count} users",
            median(result.last_preview for result in together),
            "one after another",
            median(result.last_preview for result in turns),
        ),
    ]


def measure_service(setting: Setting, studio: LocalStudio) -> list[Row]:
    """Memory at rest, and what the service adds to the engine's time; both draw as Limner chooses and are warm: texts
    are known, all forms of networks are compiled, and no picture was drawn before."""

    def request(turn: int) -> DrawRequest:
        asked = setting.chosen[turn % len(setting.chosen)]
        return asked.model_copy(update={"seed": 1000 + turn})

    def bare(turn: int) -> float:
        began = time.perf_counter()
        studio.draw(request(turn))
        return time.perf_counter() - began

    with Served(str(setting.model), setting.folder) as served:
        rest = served.megabytes()
        for each in setting.chosen:
            served.draw(each)
            studio.draw(each)
        time.sleep(_COMPILING)
        found = in_turns(setting.repeats, service=lambda turn: served.draw(request(turn)), engine=bare)
        after = served.megabytes()
    service, engine = median(found["service"]), median(found["engine"])
    return [
        Row("memory of the service at rest, model loaded", "MB", rest),
        Row("memory of the service after drawing", "MB", after),
        Row("picture through the service", "s", service, "bare engine", engine),
        Row("overhead of the service", "ms", 1000 * (service - engine)),
    ]


def _faster(what: str, seconds: float, against: str, other: float) -> Row:
    return Row(what, "s", seconds, against, other, other / seconds)


def _psnr(setting: Setting, studio: LocalStudio, reference: Reference, model: Path | None = None) -> float:
    """The worst of all pictures, by `model` where one is given."""
    errors = []
    for request in setting.requests:
        reference.draw(request, setting.folder / "reference.npy")
        if model is not None:
            request = request.model_copy(update={"model": str(model)})
        theirs = np.load(setting.folder / "reference.npy").astype(np.float64)
        ours = studio.draw(request).pixels.astype(np.float64)
        errors.append(float(np.mean((ours - theirs) ** 2)))
    worst = max(errors)
    return math.inf if worst == 0 else 10 * math.log10(255**2 / worst)


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| figure | Limner | against | its figure | times better |", "|---|---|---|---|---|"]
    for row in rows:
        other = "" if row.other is None else f"{row.other:.3g} {row.unit}"
        better = "" if row.better is None else f"{row.better:.2f}"
        lines.append(f"| {row.what} | {row.limner:.3g} {row.unit} | {row.against} | {other} | {better} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--model", default="storybook", help="a name, or a model directory")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    asked = parser.parse_args()
    about = describe()
    if busy():
        print("Other work is using the cores: the figures will be wrong, torch's most of all", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = Registry(folder).find(asked.model)
        told = model.manifest.model_copy(update={"name": LIKE, "precision": "bfloat16"})
        studio = LocalStudio(Registry(folder, [Model(model.path, told, False)]))
        plain = [DrawRequest(prompt=p, model=str(model.path), seed=k) for k, p in enumerate(PROMPTS)]
        like = {"model": LIKE, "steps": asked.steps, "guidance_interval": (0.0, 1.0), "feature_reuse": 1}
        setting = Setting(
            model=model.path,
            requests=[studio.resolve(request.model_copy(update=like)) for request in plain],
            chosen=[studio.resolve(request) for request in plain],
            repeats=asked.repeats,
            folder=folder,
        )
        about.append(
            f"model: {model.name}@{model.version}, {model.manifest.precision}, sampler {setting.requests[0].sampler}"
        )
        print("\n".join(about), flush=True)
        rows = measure_cold(setting)
        with Reference(model.path) as reference:
            rows += measure_warm(setting, studio, reference)
        rows += measure_words(setting, studio)
        rows += measure_users(setting, studio)
        rows += measure_service(setting, studio)
        studio.close()
    print(f"\n{table(rows)}")
    if busy():
        print("\nOther work shared the cores: these figures are not fit to be compared or kept.")
    if asked.json:
        asked.json.write_text(
            json.dumps({"about": about, "rows": [asdict(row) for row in rows]}, indent=1), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
