"""Which backend draws where, by what is installed and whether there is a GPU."""

from __future__ import annotations

import ctypes
import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from limner.engine.backends import choosing
from limner.engine.backends.choosing import chosen, gpus
from limner.errors import LimnerError, NotFound, Unavailable

ALL = ("openvino", "onnxruntime", "torch")


def _machine(
    monkeypatch: pytest.MonkeyPatch,
    installed: tuple[str, ...],
    found: int,
    without_cuda: tuple[str, ...] = (),
) -> None:
    monkeypatch.setattr(choosing, "_installed", lambda name: name in installed)
    monkeypatch.setattr(
        choosing, "_computes_on_gpu", lambda name: name in installed and name not in without_cuda
    )
    monkeypatch.setattr(choosing, "gpus", lambda: found)


@pytest.mark.parametrize(
    ("installed", "found", "name", "device", "expected"),
    [
        (ALL, 0, "auto", "auto", "openvino@cpu"),
        (ALL, 1, "auto", "auto", "torch@cuda"),
        (ALL, 1, "auto", "cpu", "openvino@cpu"),
        (ALL, 1, "auto", "cuda", "torch@cuda"),
        (ALL, 1, "openvino", "auto", "openvino@cpu"),
        (ALL, 0, "torch", "auto", "torch@cpu"),
        (ALL, 2, "onnxruntime", "auto", "onnxruntime@cuda"),
        (ALL, 1, "torch@cpu", "auto", "torch@cpu"),
        (("openvino",), 1, "auto", "auto", "openvino@cpu"),
        (("openvino", "onnxruntime"), 1, "auto", "auto", "onnxruntime@cuda"),
        (("onnxruntime",), 0, "auto", "auto", "onnxruntime@cpu"),
        ((), 0, "auto", "auto", "openvino@cpu"),
    ],
)
def test_what_a_name_means(
    monkeypatch: pytest.MonkeyPatch,
    installed: tuple[str, ...],
    found: int,
    name: str,
    device: str,
    expected: str,
) -> None:
    _machine(monkeypatch, installed, found)
    choice = chosen(name, device)
    assert choice.name == expected
    assert not installed or chosen(choice.name).name == expected  # a choice means itself
    assert choice.why and str(choice).startswith("Drawing on the ")


@pytest.mark.parametrize(
    ("installed", "found", "name", "device", "error", "says"),
    [
        (ALL, 0, "auto", "cuda", Unavailable, "no GPU was found"),
        (ALL, 1, "openvino", "cuda", Unavailable, "choose torch"),
        (("openvino",), 1, "auto", "cuda", Unavailable, "pip install"),
        (("openvino",), 1, "torch", "auto", Unavailable, "pip install"),
        (ALL, 0, "tensorflow", "auto", NotFound, "known: auto, openvino"),
        (ALL, 0, "torch@tpu", "auto", NotFound, "known: auto, cpu, cuda"),
    ],
)
def test_what_cannot_be_had_is_said_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
    installed: tuple[str, ...],
    found: int,
    name: str,
    device: str,
    error: type[LimnerError],
    says: str,
) -> None:
    _machine(monkeypatch, installed, found)
    with pytest.raises(error, match=says):
        chosen(name, device)


@pytest.mark.parametrize(
    ("without_cuda", "name", "expected"),
    [
        (("torch",), "auto", "onnxruntime@cuda"),
        (("torch", "onnxruntime"), "auto", "openvino@cpu"),
        (("torch",), "torch", "torch@cpu"),
    ],
)
def test_packages_without_cuda_leave_a_gpu_alone(
    monkeypatch: pytest.MonkeyPatch, without_cuda: tuple[str, ...], name: str, expected: str
) -> None:
    _machine(monkeypatch, ALL, 1, without_cuda)
    assert chosen(name).name == expected
    if expected.endswith("cpu"):
        with pytest.raises(Unavailable, match="CUDA"):
            chosen(name, "cuda")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("torch", "lib/libtorch_cuda.so"),
        ("torch", "lib/torch_cuda.dll"),
        ("onnxruntime", "capi/libonnxruntime_providers_cuda.so"),
    ],
)
def test_a_package_computes_on_a_gpu_where_it_has_that_part(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, part: str
) -> None:
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda asked: spec if asked == name else None)
    assert not choosing._computes_on_gpu(name)
    (tmp_path / part).parent.mkdir()
    (tmp_path / part).touch()
    assert choosing._computes_on_gpu(name)
    assert not choosing._computes_on_gpu("torch" if name == "onnxruntime" else "onnxruntime")


def test_a_driver_counts_gpus_only_where_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    class Driver:
        def __init__(self, answer: int, count: int) -> None:
            self.answer, self.count = answer, count

        def cuInit(self, flags: int) -> int:
            return self.answer

        def cuDeviceGetCount(self, found: object) -> int:
            found._obj.value = self.count  # type: ignore[attr-defined]
            return 0

    for driver, expected in ((Driver(0, 2), 2), (Driver(100, 2), 0), (Driver(0, 0), 0)):
        monkeypatch.setattr(ctypes, "CDLL", lambda name, driver=driver: driver)
        gpus.cache_clear()
        assert gpus() == expected

    def missing(name: str) -> object:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    gpus.cache_clear()
    assert gpus() == 0
    gpus.cache_clear()
