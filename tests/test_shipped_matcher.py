"""The built-in matcher of scenes: small, told truly, and able to tell true sentences from others."""

from __future__ import annotations

import json

import numpy as np

from limner.families.matcher.matcher import open_matcher, rerank
from limner.registry.models import BUILT_IN, open_model
from limner.storybook.worlds import world

MATCHER = BUILT_IN / "matcher-scenes"
MOST_BYTES = 8_000_000


def test_it_is_small_and_safe_and_its_card_belongs_to_it() -> None:
    manifest, card = open_model(MATCHER).manifest, json.loads((MATCHER / "card.json").read_text("utf-8"))
    files = [file for file in MATCHER.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= MOST_BYTES
    assert not [file for file in files if file.suffix in {".bin", ".pt", ".ckpt", ".pkl"}]
    assert (card["model"], card["version"]) == (manifest.name, manifest.version)
    assert not manifest.draws and manifest.lineage.hours > 0 and manifest.licence == "Apache-2.0"


def test_it_finds_the_sentences_of_pictures_that_it_has_never_seen() -> None:
    scenes, asked = world("scenes"), world("scenes").frozen("held_out")[:60]
    pictures = [scenes.picture(prompt.scene, np.random.default_rng(k), 64) for k, prompt in enumerate(asked)]
    matcher = open_matcher(open_model(MATCHER))
    vectors = matcher.embed_pictures(pictures), matcher.embed_texts([prompt.text for prompt in asked])
    found = (vectors[0] @ vectors[1].T).argmax(1)
    # Right is what is not wrong of the picture: several sentences may be true of one.
    right = [
        int(best) == k or not scenes.contradicts(asked[k].scene, asked[best].scene)
        for k, best in enumerate(found.tolist())
    ]
    assert sum(right) >= 54  # of 60; by chance 1


def test_it_chooses_the_picture_that_was_asked_for() -> None:
    scenes = world("scenes")
    asked = [prompt for prompt in scenes.frozen("seen") if len(prompt.scene.things) == 1][:8]
    pictures = [scenes.picture(prompt.scene, np.random.default_rng(k), 64) for k, prompt in enumerate(asked)]
    matcher = open_matcher(open_model(MATCHER))
    chosen = [rerank(matcher, prompt.text, pictures) for prompt in asked]
    assert sum(one == k for k, one in enumerate(chosen)) >= 7
