"""Captions that are longer than a text encoder reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import CLIPTokenizer

from limner.families.diffusion.cut_captions import tell_of_cut


def test_captions_that_are_cut_are_counted_and_told(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(tiny_model / "tokenizer")
    words = ["apple " * many for many in (1, 5, 6, 7, 30)]

    def rows(texts: list[str]) -> np.ndarray:
        made = tokenizer(texts, padding="max_length", truncation=True, max_length=8, return_tensors="np")
        return np.asarray(made.input_ids)

    lengths = [len(tokenizer(text).input_ids) for text in words]
    assert tell_of_cut(tokenizer, words, rows(words)) == sum(length > 8 for length in lengths) > 0
    assert "of 5 captions have more than 6 tokens" in capsys.readouterr().out
    short = words[:1]
    assert tell_of_cut(tokenizer, short, rows(short)) == 0
    assert not capsys.readouterr().out
