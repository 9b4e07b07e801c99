"""The built-in models of the other families: small, told truly, and better at their words than chance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.registry import Registry
from limner.registry.models import BUILT_IN, open_model
from limner.storybook.worlds import world

DRAWN = {"birds": "birds", "storybook-parti": "scenes"}
MOST_BYTES, MOST_TOGETHER = 8_000_000, 16_000_000


def _bytes(name: str) -> int:
    return sum(file.stat().st_size for file in (BUILT_IN / name).rglob("*.safetensors"))


@pytest.mark.parametrize("name", DRAWN)
def test_they_are_small_and_safe_and_their_cards_belong_to_them(name: str) -> None:
    folder = BUILT_IN / name
    manifest, card = open_model(folder).manifest, json.loads((folder / "card.json").read_text("utf-8"))
    assert _bytes(name) <= MOST_BYTES and sum(map(_bytes, DRAWN)) <= MOST_TOGETHER
    assert not [file for file in folder.rglob("*") if file.suffix in {".bin", ".pt", ".ckpt", ".pkl"}]
    assert (card["model"], card["version"]) == (manifest.name, manifest.version)
    assert manifest.draws and manifest.lineage.hours > 0 and manifest.licence == "Apache-2.0"
    assert manifest.vocabulary


@pytest.mark.parametrize(
    ("name", "kind", "many", "least"),
    [("birds", "breast", 24, 10), ("storybook-parti", "place", 8, 6), ("storybook-parti", "subject", 8, 4)],
)
def test_they_draw_what_was_said(name: str, kind: str, many: int, least: int, tmp_path: Path) -> None:
    of = world(DRAWN[name])
    asked = [prompt for prompt in of.frozen("seen") if getattr(prompt.scene, kind, True) is not None][:many]
    studio, held = LocalStudio(Registry(tmp_path)), 0
    for prompt in asked:
        picture = studio.draw(DrawRequest(prompt=prompt.text, model=name, seed=1))
        (verdicts,) = of.judge(picture.pixels, [prompt.scene])
        said = [one for one in verdicts if one.statement.kind == kind]
        held += bool(said) and all(one.holds for one in said)
    studio.close()
    assert held >= least  # by chance one in seven, or fewer
