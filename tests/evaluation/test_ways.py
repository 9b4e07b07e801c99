"""The card says which way to draw was picked, what each costs and saves; said again, it says so once."""

from __future__ import annotations

import shutil
from pathlib import Path

from limner.evaluation.card import CARD_NAME, PAGE_NAME, Card
from limner.evaluation.ways import put_on_card, ways
from limner.registry.choices import Choice, Choices
from limner.registry.models import BUILT_IN, Model, open_model

EXACT = Choice(precision="float32", guidance_interval=(0, 1), seconds=2.0, statements=0.7, psnr=None)
FAST = Choice(
    precision="int8", guidance_interval=(0, 0.8), seconds=0.5, statements=0.69, psnr=31.25, chosen=True
)
CHOICES = Choices(target="cpu", machine="a <machine>", created="2026-01-02", prompts=9, rows=(EXACT, FAST))


def shipped(tmp_path: Path) -> Model:
    model = open_model(BUILT_IN / "storybook")
    for name in (CARD_NAME, PAGE_NAME):
        shutil.copyfile(model.path / name, tmp_path / name)
    return Model(tmp_path, model.manifest, False)


def test_the_table_says_what_each_way_costs_and_saves() -> None:
    text = ways(CHOICES)
    assert "9 sentences each way on a &lt;machine&gt;, 2026-01-02" in text
    assert "<td>75 %</td><td>69.0 % (-1.0)</td><td>31.2</td><td><b>chosen</b></td>" in text
    assert "MB held" not in text and "<h2>" not in ways(None)


def test_a_card_that_is_there_gets_the_table_once(tmp_path: Path) -> None:
    model = shipped(tmp_path)
    files = Card.read(tmp_path).files
    put_on_card(model, CHOICES.model_copy(update={"prompts": 8}))
    put_on_card(model, CHOICES)
    page = (tmp_path / PAGE_NAME).read_text("utf-8")
    assert page.count("Ways to draw") == 1 and "9 sentences" in page and page.endswith("</html>\n")
    assert "Statements that hold" in page, "what was there stays"
    assert Card.read(tmp_path).choices == CHOICES and Card.read(tmp_path).files == files
