"""Which backend draws, on which device, and why."""

from __future__ import annotations

import ctypes
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from ...errors import NotFound, Unavailable

Device = Literal["cpu", "cuda"]
DEVICES: tuple[Device, ...] = get_args(Device)

_INSTALL = {
    "openvino": "pip install openvino",
    "onnxruntime": "pip install onnxruntime",
    "torch": "pip install -e '.[train]' -c constraints.txt",
}
_ON_CPU, _ON_GPU = ("openvino", "onnxruntime", "torch"), ("torch", "onnxruntime")
_TITLES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime", "torch": "torch"}
_GPU_PARTS = {"torch": "lib/*torch_cuda*", "onnxruntime": "capi/*onnxruntime_providers_cuda*"}
_DRIVERS = ("libcuda.so.1", "nvcuda.dll")


@dataclass(frozen=True)
class Choice:
    """A backend on a device, and why it is this one."""

    backend: str
    device: Device
    why: str

    @property
    def name(self) -> str:
        """What `chosen` reads as this choice."""
        return f"{self.backend}@{self.device}"

    def __str__(self) -> str:
        """A line for people."""
        where = "the GPU" if self.device == "cuda" else "the processor"
        return f"Drawing on {where} by {_TITLES[self.backend]}: {self.why}"


def chosen(name: str = "auto", device: str = "auto") -> Choice:
    """The backend that a name means on a device, without importing it.

    `name` is a backend, "auto", or either with a device, "torch@cuda"; `device` is cpu, cuda or "auto", which is a
    GPU where there is one and a backend for it is installed. NotFound lists what there is; Unavailable says what is
    missing.
    """
    name, _, told = name.partition("@")
    device = told or device
    if name != "auto" and name not in _INSTALL:
        raise NotFound(f"backend '{name}' not found; known: auto, {', '.join(_INSTALL)}")
    if device != "auto" and device not in DEVICES:
        raise NotFound(f"device '{device}' not found; known: auto, {', '.join(DEVICES)}")
    if device == "cuda" and name == "openvino":
        raise Unavailable("backend 'openvino' draws on the processor; for the GPU choose torch")
    if name != "auto" and not _installed(name):
        raise Unavailable(f"backend '{name}' is not installed; get it with: {_INSTALL[name]}")
    found = gpus()
    if device == "cuda" and not found:
        raise Unavailable("no GPU was found: its driver is missing or sees none; draw with --device cpu")
    if device == "cpu" or not found or name == "openvino":
        why = "as it was told" if device == "cpu" or name != "auto" else "no GPU was found"
        return Choice((_first(_ON_CPU) or "openvino") if name == "auto" else name, "cpu", why)
    fit = next((each for each in (_ON_GPU if name == "auto" else (name,)) if _computes_on_gpu(each)), None)
    if fit is None:
        wanted = (
            "no backend for the GPU is installed" if name == "auto" else f"this {name} was built without CUDA"
        )
        way_out = f"{_INSTALL['torch']}, and a torch that was built for CUDA"
        if device == "cuda":
            raise Unavailable(f"{wanted}; get one with: {way_out}")
        why = f"there is a GPU, and {wanted} ({way_out})"
        return Choice((_first(_ON_CPU) or "openvino") if name == "auto" else name, "cpu", why)
    return Choice(fit, "cuda", "as it was told" if device == "cuda" else f"found {found}")


def _first(names: tuple[str, ...]) -> str | None:
    return next((name for name in names if _installed(name)), None)


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _computes_on_gpu(name: str) -> bool:
    """Whether the package of a backend has its part for CUDA: the same name is also that of packages without."""
    spec = importlib.util.find_spec(name)
    folders = (spec.submodule_search_locations if spec else None) or ()
    return any(any(Path(folder).glob(_GPU_PARTS[name])) for folder in folders)


@lru_cache
def gpus() -> int:
    """How many GPUs the driver of this machine sees; 0 without a driver. Loads no runtime."""
    for driver in _DRIVERS:
        try:
            library = ctypes.CDLL(driver)
        except OSError:
            continue
        count = ctypes.c_int(0)
        if library.cuInit(0) == 0 and library.cuDeviceGetCount(ctypes.byref(count)) == 0:
            return count.value
    return 0
