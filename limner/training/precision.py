"""bfloat16 where a machine computes in it: elsewhere it is emulated, a hundred times slower than float32."""

from __future__ import annotations

from functools import lru_cache

import torch

_COMPUTING = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")  # as torch.cpu names what a processor can do


@lru_cache
def computes_bfloat16(kind: str) -> bool:
    """Whether devices of this kind ("cpu", "cuda") multiply in bfloat16 themselves."""
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    if kind != "cpu":
        return True
    able = torch.cpu.get_capabilities()
    return any(able.get(name) for name in _COMPUTING)


def autocast(kind: str, precision: str) -> torch.autocast:
    """What a recipe's `precision` ("float32", "bfloat16") means on a device of this kind; to be entered with `with`."""
    return torch.autocast(kind, torch.bfloat16, enabled=precision == "bfloat16" and computes_bfloat16(kind))


def frozen_dtype(precision: str) -> torch.dtype:
    """The number format of weights that a recipe of this `precision` does not train, on the device that is here."""
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    low = precision == "bfloat16" and computes_bfloat16(kind)
    return torch.bfloat16 if low else torch.float32
