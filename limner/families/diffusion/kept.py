"""Arrays that a training makes once and keeps on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import nn

from ...registry.making import write_whole

Arrays = dict[str, NDArray[Any]]


def fingerprint(module: nn.Module) -> str:
    """What tells a network's weights from others."""
    return f"{float(sum(p.detach().double().abs().sum() for p in module.parameters())):.6f}"


def kept(file: Path, mark: str, make: Callable[[], Arrays]) -> Arrays:
    """Arrays that are made once, in `file` with .safetensors, and read while the `mark` beside them is this one."""
    arrays, label = file.with_suffix(".safetensors"), file.with_suffix(".txt")
    if not arrays.exists() or not label.exists() or label.read_text("utf-8") != mark:
        # What torch gives may lie in another order than its shape says, which safetensors does not heed.
        made = {name: np.ascontiguousarray(each) for name, each in make().items()}
        label.unlink(missing_ok=True)
        partial = arrays.with_name(f"{arrays.name}.{os.getpid()}.partial")
        try:
            save_file(made, partial)
            partial.replace(arrays)
        finally:
            partial.unlink(missing_ok=True)
        write_whole(label, mark)
    return load_file(arrays)
