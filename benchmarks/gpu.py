"""On a GPU: `python -m benchmarks.gpu`, or `make bench-gpu`: one table of what a machine's GPU does.

Sections, which can be asked for one by one where a call must end after minutes: `ceiling` (a matrix product and a
copy), `check` (one call of the denoiser against float32, its rate), `draw` (pictures of Stable Diffusion at full size,
random weights, and of the built-in model: torch eager, diffusers tuned, Limner, and Limner with features used again;
batches of 1, 8, 32; 20 and 50 guided steps, 4 unguided as a distilled model takes), `users` (1, 8, 64 at once against
one after another) and `training` (against the usual script). `--models`, `--ways`, `--batches` take less of them.

Every way is measured in a process of its own, and what it finds is printed and written to `--out` at once: a run that
is cut off has what it had, and the next adds to it. Seconds of one call are by events on the device, of pictures
by the clock; all are medians after a warm-up, of inputs that were not seen before. `--rehearse` goes through all of it
on the processor with a tiny model, which says nothing of speed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from threading import Timer
from typing import Any

from .gpu_device import Figure
from .machine import describe

SECTIONS = ("ceiling", "check", "draw", "users", "training")
WAYS = ("eager", "diffusers", "limner", "reuse")
TITLES = {
    "eager": "torch eager", "diffusers": "diffusers, tuned", "limner": "Limner", "reuse": "Limner, features in 2 steps",
    "usual": "the usual script", "counted": "counted",
}  # fmt: skip
BUILT_IN = Path(__file__).parents[1] / "limner" / "models" / "storybook"
_CEILING = """
import sys
from benchmarks.gpu_device import Device, ceilings, tell
for figure in ceilings(Device(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])):
    tell(figure)
"""


class Results:
    """Figures by what they are of, kept in a file as they come."""

    def __init__(self, file: Path) -> None:
        """Those of an earlier run in the file stay until they are measured again."""
        self._file, self.machine = file, [*describe(), gpu()]
        self.found: dict[str, Figure] = {}
        self.left_out: list[str] = []
        if file.is_file():
            told = json.loads(file.read_text("utf-8"))["figures"]
            self.found = {figure.key: figure for figure in (Figure(**each) for each in told)}

    def add(self, figure: Figure) -> None:
        """Keep, print and write one."""
        self.found[figure.key] = figure
        many = f", {figure.batch} at once" if figure.batch > 1 else ""
        steps = f", {figure.steps} steps" if figure.steps else ""
        way = TITLES.get(figure.way, figure.way)
        print(
            f"{figure.section}: {figure.model}, {way}{many}{steps}: {figure.what} {figure.value:.4g} {figure.unit}",
            flush=True,
        )
        self.write()

    def without(self, what: str, reason: str) -> None:
        """Say what is not measured, and why."""
        self.left_out.append(f"{what}: {reason}")
        print(f"not measured: {what}: {reason}", flush=True)
        self.write()

    def write(self) -> None:
        """All of it, whole or not at all."""
        told = {
            "machine": self.machine,
            "figures": [asdict(each) for each in self.found.values()],
            "left_out": self.left_out,
        }
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        partial.replace(self._file)

    def table(self) -> str:
        """One line for each thing that was measured, a column for each way."""
        ways = [way for way in TITLES if any(each.way == way for each in self.found.values())]
        other = sorted({each.way for each in self.found.values()} - set(ways))
        lines: dict[tuple[Any, ...], dict[str, float]] = {}
        for each in self.found.values():
            kind = (each.section, each.model, each.batch, each.steps, each.what, each.unit)
            lines.setdefault(kind, {})[each.way] = each.value
        head = [
            "section",
            "model",
            "at once",
            "steps",
            "what",
            "unit",
            *(TITLES.get(w, w) for w in ways + other),
        ]
        rows = [head, ["---"] * len(head)]
        for kind, values in sorted(lines.items(), key=lambda line: tuple(map(str, line[0]))):
            rows.append([*map(str, kind), *(f"{values[w]:.4g}" if w in values else "" for w in ways + other)])
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def gpu() -> str:
    """What the GPU is called, by the driver's own program."""
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        return "GPU: " + subprocess.run(asked, capture_output=True, text=True, timeout=60).stdout.strip()
    except OSError:
        return "GPU: none"


def run(results: Results, what: str, command: list[str], limit: float) -> None:
    """Take the figures of a process as it prints them; one that fails or takes too long is said."""
    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        clock = Timer(limit, process.kill)
        clock.start()
        for line in process.stdout:
            if line.startswith('{"section"'):
                results.add(Figure(**json.loads(line)))
            else:
                print(line, end="", flush=True)
        left = clock.is_alive()
        clock.cancel()
        failed = process.wait()
    if failed:
        results.without(what, f"it ended with {failed}" if left else f"it took over {limit:.0f} s")


def program(
    results: Results, what: str, module: str, spec: dict[str, Any], asked: argparse.Namespace
) -> None:
    """Measure by a program of this folder: in a process of its own, but in this one where it is a rehearsal."""
    if not asked.rehearse:
        run(results, what, ["-m", f"benchmarks.{module}", json.dumps(spec)], asked.limit)
        return
    import_module(f"benchmarks.{module}").main(spec, results.add)


def models(asked: argparse.Namespace, folder: Path) -> dict[str, Path]:
    """The directories of the models that are asked for, made where they are not there yet."""
    found: dict[str, Path] = {}
    if "sd" in asked.models:
        if asked.sd is not None:
            found["sd"] = asked.sd.resolve()
        elif asked.rehearse:
            from tests.tiny_model import make_tiny_model

            found["sd"] = make_tiny_model(folder / "tiny")
        else:
            from .tuning import bring_in

            found["sd"] = bring_in(folder.resolve())
    if "storybook" in asked.models:
        found["storybook"] = (asked.storybook or BUILT_IN).resolve()
    return found


def measure(asked: argparse.Namespace, results: Results, folder: Path) -> None:
    """Go through the sections that are asked for."""
    device = "cpu" if asked.rehearse else "cuda"
    small = asked.rehearse
    if "ceiling" in asked.sections:
        side, repeats = (64, 2) if small else (8192, 20)
        run(results, "ceiling", ["-c", _CEILING, device, str(side), str(repeats)], asked.limit)
    for title, path in models(asked, folder).items():
        told = {
            "model": str(path),
            "title": title,
            "device": device,
            "repeats": 1 if small else asked.repeats,
        }
        batches = [1, 2] if small else asked.batches
        steps, short = ([2], 1) if small else (asked.steps, 4)
        plans = [(batch, count, True) for batch in batches for count in steps]
        if title == "storybook":
            plans += [(batch, short, False) for batch in batches]
        if "check" in asked.sections:
            spec = told | {"section": "check", "way": "check", "plans": plans}
            program(results, f"check of {title}", "gpu_drawing", spec, asked)
        for way in asked.ways if "draw" in asked.sections else ():
            if way == "diffusers" and importlib.util.find_spec("diffusers") is None:
                results.without(f"{title} by diffusers", "it is not installed")
                continue
            spec = told | {"section": "draw", "way": way, "plans": plans, "compile_mode": asked.compile_mode}
            program(results, f"{title} by {TITLES[way]}", "gpu_drawing", spec, asked)
        if "users" in asked.sections:
            users = [(count, steps[0], True) for count in ([1, 3] if small else (1, 8, 64))]
            spec = told | {"section": "users", "way": "limner", "plans": users}
            program(results, f"users of {title}", "gpu_drawing", spec, asked)
        if "training" in asked.sections and title == "sd":
            size, batch, count = (64, 2, 3) if small else (512, 16, 20)
            for way in ("usual", "limner"):
                if way == "usual" and importlib.util.find_spec("diffusers") is None:
                    results.without("training, usual", "diffusers is not installed")
                    continue
                spec = {"model": str(path), "title": title, "way": way, "device": device}
                spec |= {"size": size, "batch": batch, "steps": count, "workers": 0 if small else 8}
                program(results, f"training, {way}", "gpu_learning", spec, asked)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, and give 1 where something that was asked for could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--models", nargs="+", choices=["sd", "storybook"], default=["storybook", "sd"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--steps", nargs="+", type=int, default=[20, 50])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--compile-mode", default="max-autotune", help="how diffusers is compiled; its guide's way"
    )
    parser.add_argument("--limit", type=float, default=500.0, help="seconds for one process")
    parser.add_argument(
        "--out", type=Path, help="a JSON file, or a folder for gpu.json; $OUT, else the current one"
    )
    parser.add_argument("--keep", type=Path, help="a folder for the full-size weights")
    parser.add_argument("--sd", type=Path, help="a model directory instead of random weights of full size")
    parser.add_argument("--storybook", type=Path, help="a model directory instead of the built-in one")
    parser.add_argument("--rehearse", action="store_true", help="all of it, tiny, on the processor")
    asked = parser.parse_args(arguments)
    out: Path = asked.out or Path(os.environ.get("OUT", "."))
    results = Results(out / "gpu.json" if out.is_dir() else out)
    print("\n".join(results.machine), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        measure(asked, results, asked.keep or Path(temporary))
    if asked.rehearse:
        print("A rehearsal on the processor: its figures say nothing")
    print(f"\n{results.table()}")
    for each in results.left_out:
        print(f"not measured: {each}")
    return 1 if results.left_out else 0


if __name__ == "__main__":
    sys.exit(main())
