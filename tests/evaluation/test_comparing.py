"""Several models on one page: the same prompts and seeds, pictures in columns."""

from __future__ import annotations

import re
import shutil
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from limner.errors import InvalidInput
from limner.evaluation import comparing
from limner.evaluation.bench import Evaluation
from limner.evaluation.card import Card
from limner.evaluation.comparing import compare, comparison
from limner.evaluation.material import Sentences
from limner.evaluation.plots import number
from limner.registry import Manifest
from limner.registry.manifest import Size
from limner.registry.models import BUILT_IN


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
            assert score.resize == "middle square, lanczos to 32 px", "both draw 64 px, and so are true ones"
            for name_of, value in score.beside.items():
                assert f"<small>{escape(name_of)} {number(score, value)}</small>" in text
    assert "True pictures are of 64 px for all" in text
    prompts = re.findall(r"<h3>(.*?)</h3><div class=\"row\"", text)
    assert len(prompts) == 6 == len(set(prompts))


def test_what_each_was_held_against_stands_in_its_own_cell() -> None:
    card = Card.read(BUILT_IN / "storybook")
    match = next(score for score in card.scores if score.id == "match-score")
    other = match.model_copy(update={"beside": {"true pictures": 70.0, "another prompt's": 5.0}})
    cards = [card, card.model_copy(update={"scores": (other,)})]
    page = comparison([Evaluation(one, {}) for one in cards], Sentences("six", {}), 128)
    row = page.partition("<td>Match score</td>")[2].partition("</tr>")[0]
    first, second = re.findall(r"<td>(.*?)</td>", row)
    assert "true pictures 79.2" in first and "another prompt&#x27;s 0.923" in first and "70" not in first
    assert "true pictures 70" in second and "another prompt&#x27;s 5" in second


def test_true_pictures_are_of_one_size_for_all(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    larger = shutil.copytree(tiny_model, tmp_path / "larger")
    sizes = (Size(width=96, height=96),)
    Manifest.read(larger).model_copy(update={"name": "larger", "sizes": sizes}).write(larger)
    asked: list[int] = []

    def noted(*given: Any) -> Evaluation:
        asked.append(given[-1])
        return Evaluation(Card.read(BUILT_IN / "storybook"), {})

    monkeypatch.setattr(comparing, "evaluated", noted)
    monkeypatch.setattr(comparing, "comparison", lambda *given: "")
    compare([str(tiny_model), str(larger)], tmp_path / "out", data_dir=tmp_path, data="scenes")
    assert asked == [96, 96]


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
