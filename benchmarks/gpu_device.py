"""A device that is measured: its clock, its memory, what it draws from the wall, and what it can do at most.

Device work goes on behind the back of who asked for it, so calls are timed by events on the device, and whole pictures
by the clock of who waits until they are there.
"""

from __future__ import annotations

import ctypes
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch

_NVML = "libnvidia-ml.so.1"


@dataclass(frozen=True)
class Figure:
    """One figure: of what (`model`, drawn in which `way`, so many at once, in so many steps), and how much."""

    section: str
    model: str
    way: str
    what: str
    unit: str
    value: float
    batch: int = 1
    steps: int = 0

    @property
    def key(self) -> str:
        """What it is of: a newer one takes the place of an older."""
        return " | ".join(map(str, (self.section, self.model, self.way, self.what, self.batch, self.steps)))


Tell = Callable[[Figure], None]


def tell(figure: Figure) -> None:
    """Print it as a line of JSON, at once."""
    print(json.dumps(asdict(figure)), flush=True)


class Device:
    """A GPU, or the processor where a rehearsal runs."""

    def __init__(self, name: str) -> None:
        """`name` is cuda or cpu."""
        self.name, self.torch = name, torch.device(name)
        self._energy = _energy_counter() if name == "cuda" else None

    def wait(self) -> None:
        """Until all that was asked of it is done."""
        if self.name == "cuda":
            torch.cuda.synchronize()

    def seconds(self, run: Callable[[int], object], repeats: int, warm: int = 2) -> float:
        """The median of so many runs, after a few that do not count; a run is told its number, for fresh inputs."""
        for number in range(warm):
            run(number)
        self.wait()
        taken: list[float] = []
        for number in range(warm, warm + repeats):
            if self.name == "cuda":
                began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
                began.record()
                run(number)
                ended.record()
                ended.synchronize()
                taken.append(began.elapsed_time(ended) / 1000)
            else:
                clock = time.perf_counter()
                run(number)
                taken.append(time.perf_counter() - clock)
        return median(taken)

    def memory(self) -> float:
        """MB of it that are taken now, of a GPU by all processes."""
        if self.name == "cuda":
            free, whole = torch.cuda.mem_get_info()
            return float((whole - free) / 1e6)
        status = Path("/proc/self/status").read_text("utf-8").splitlines()
        return next(int(line.split()[1]) / 1000 for line in status if line.startswith("VmRSS"))

    def joules(self) -> float | None:
        """What it has used since its driver began, None where the driver does not tell."""
        return None if self._energy is None else self._energy()


def _energy_counter() -> Callable[[], float | None] | None:
    """Reads the energy counter of the first GPU that torch sees, through the driver's own library."""
    try:
        library = ctypes.CDLL(_NVML)
    except OSError:
        return None
    handle, told = ctypes.c_void_p(), ctypes.c_ulonglong()
    uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}".encode()
    if library.nvmlInit_v2() or library.nvmlDeviceGetHandleByUUID(uuid, ctypes.byref(handle)):
        return None

    def read() -> float | None:
        wrong = library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(told))
        return None if wrong else told.value / 1000

    return read if read() is not None else None


def ceilings(device: Device, side: int, repeats: int) -> list[Figure]:
    """What the device does at most, measured: a large product of bfloat16 matrices, and a large copy."""
    made: list[Figure] = []
    sets = [
        [torch.randn(side, side, device=device.torch, dtype=torch.bfloat16) for _ in range(2)]
        for _ in range(3)
    ]
    out = torch.empty(side, side, device=device.torch, dtype=torch.bfloat16)
    spent = device.seconds(lambda k: torch.matmul(*sets[k % 3], out=out), repeats)
    exact = sets[0][0][:64].double() @ sets[0][1].double()
    near = torch.linalg.norm((sets[0][0][:64] @ sets[0][1]).double() - exact) / torch.linalg.norm(exact)
    rate = 2 * side**3 / spent / 1e12
    made.append(Figure("ceiling", "-", f"matrices of {side}", "bfloat16 product", "TFLOP/s", rate))
    made.append(Figure("ceiling", "-", f"matrices of {side}", "its error", "of 1", float(near)))
    sources = [torch.randn(side * side, device=device.torch) for _ in range(3)]
    target = torch.empty_like(sources[0])
    spent = device.seconds(lambda k: target.copy_(sources[k % 3]), repeats)
    moved = 2 * sources[0].numel() * sources[0].element_size() / spent / 1e9
    made.append(
        Figure("ceiling", "-", f"{sources[0].nbytes / 1e6:.0f} MB", "copy, read and written", "GB/s", moved)
    )
    return made
