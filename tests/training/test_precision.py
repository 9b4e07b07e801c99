"""bfloat16 only where it is computed."""

from __future__ import annotations

import pytest
import torch

from limner.training import precision


@pytest.mark.parametrize(
    ("able", "expected"),
    [
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"avx2": True}, False),
    ],
)
def test_a_processor_computes_in_bfloat16_where_it_says_so(
    monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    precision.computes_bfloat16.cache_clear()
    try:
        assert precision.computes_bfloat16("cpu") is expected
        with precision.autocast("cpu", "bfloat16"):
            made = torch.ones(2, 2) @ torch.ones(2, 2)
        assert made.dtype == (torch.bfloat16 if expected else torch.float32)
        with precision.autocast("cpu", "float32"):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    finally:
        precision.computes_bfloat16.cache_clear()
