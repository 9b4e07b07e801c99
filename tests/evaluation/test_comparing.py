"""Several models on one page: the same prompts and seeds, pictures in columns."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from limner.errors import InvalidInput
from limner.evaluation.card import Card
from limner.evaluation.comparing import compare


def test_two_families_stand_side_by_side(
    tiny_model: Path, tiny_attngan: Path, tiny_matcher: Path, tmp_path: Path
) -> None:
    models = [str(tiny_model), str(tiny_attngan)]
    folder = compare(
        models, tmp_path / "out", seeds=1, count=3, data_dir=tmp_path, data="birds", matcher=str(tiny_matcher)
    )
    text = (folder / "compare.html").read_text("utf-8")
    HTMLParser().feed(text)
    assert text.count("<figure>") == 12 and "Seconds a picture" in text and "Match score" in text
    for name in ("tiny-1", "tiny-attngan-1"):
        card = Card.read(folder / name)
        assert card.world == "birds" and f'href="{name}/card.html"' in text
        for score in card.scores:
            assert score.encoder == "tiny-matcher@1"
    prompts = re.findall(r"<h3>(.*?)</h3><div class=\"row\"", text)
    assert len(prompts) == 6 == len(set(prompts))


def test_what_cannot_be_compared_is_refused_by_name(
    tiny_model: Path, tiny_matcher: Path, tmp_path: Path
) -> None:
    model, matcher = str(tiny_model), str(tiny_matcher)
    for references, message in (
        ([model], "name two to 6 models to compare, not 1"),
        ([model, model], "tiny@1 is named twice"),
        ([model, matcher], "tiny-matcher@1 is a matcher, which draws nothing to compare"),
    ):
        with pytest.raises(InvalidInput, match=message):
            compare(references, tmp_path / "out", data_dir=tmp_path)
