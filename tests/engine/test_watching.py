from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest

from limner.engine.apart.messages import FROM_ENGINE, Seen
from limner.engine.request import DrawRequest, Event, Stepped
from limner.engine.scheduler import Drawn
from limner.engine.studio import LocalStudio
from limner.engine.watching import Batch, EngineEnded, LetGo, Loaded, Sight, TextsLookedUp
from limner.registry.manifest import Manifest
from limner.registry.models import Model, Registry
from tests.engine.fakes import FakeNetworks, Listener, Plan, at_once, running


@contextmanager
def watched(tiny_model: Path, data_dir: Path) -> Iterator[tuple[LocalStudio, list[Sight]]]:
    seen: list[Sight] = []
    model = Model(tiny_model, Manifest.read(tiny_model), False)
    studio = LocalStudio(Registry(data_dir, [model]), threads=1, watcher=seen.append)
    yield studio, seen
    studio.close()


def drawn(studio: LocalStudio, name: str, **asked: object) -> None:
    """Draw one picture to its end, under a name."""
    events: Queue[Event] = Queue()
    request = DrawRequest.model_validate({"prompt": "a red apple", "model": "tiny", "seed": 1} | asked)
    studio.start(request, events.put, name=name)
    while isinstance(events.get(timeout=60), Stepped):
        pass


def test_who_shares_a_call_is_seen_together() -> None:
    seen: list[Sight] = []
    plans = {Plan(seed=seed, steps=2, rows=seed): Listener() for seed in (1, 2)}
    before = time.time()
    with running(FakeNetworks(), model="m@1", watcher=seen.append) as scheduler:
        at_once(scheduler, plans)
        for listener in plans.values():
            assert isinstance(listener.ending(), Drawn)
    batches = [sight for sight in seen if isinstance(sight, Batch)]
    assert [(b.model, b.graph, b.stage, b.rows, b.error) for b in batches] == [
        ("m@1", "unet", "refine", 3, None)
    ] * 2
    assert [batch.pictures for batch in batches] == [("plan 1", "plan 2")] * 2
    assert all(before <= batch.began <= time.time() and batch.seconds >= 0 for batch in batches)


def test_a_call_that_fails_is_seen_with_the_kind_of_its_error() -> None:
    seen: list[Sight] = []
    plans = {Plan(seed=1, steps=1): Listener(), Plan(seed=2, steps=1, poisons_at=0): Listener()}
    with running(FakeNetworks(), watcher=seen.append) as scheduler:
        at_once(scheduler, plans)
        for listener in plans.values():
            listener.ending()
    told = [(batch.pictures, batch.error) for batch in seen if isinstance(batch, Batch)]
    assert told == [
        (("plan 1", "plan 2"), "BrokenError"),
        (("plan 1",), None),
        (("plan 2",), "BrokenError"),
    ]


def test_a_watcher_that_fails_costs_no_picture(caplog: pytest.LogCaptureFixture) -> None:
    def fails(sight: Sight) -> None:
        raise RuntimeError("it looked away")

    listener = Listener()
    with running(FakeNetworks(), watcher=fails) as scheduler:
        scheduler.submit(Plan(seed=1).program(), listener)
        assert isinstance(listener.ending(), Drawn)
    assert "it looked away" in caplog.text


def test_a_picture_is_seen_stage_by_stage(tiny_model: Path, tmp_path: Path) -> None:
    with watched(tiny_model, tmp_path) as (studio, seen):
        drawn(studio, "job/0", steps=3, guidance_scale=3.0)
    batches = [sight for sight in seen if isinstance(sight, Batch)]
    assert [(batch.stage, batch.rows) for batch in batches] == [
        ("encode", 2), ("refine", 2), ("refine", 2), ("refine", 2), ("decode", 1),
    ]  # fmt: skip
    assert {(batch.model, batch.pictures) for batch in batches} == {("tiny@1", ("job/0",))}
    loaded = {sight.graph: sight for sight in seen if isinstance(sight, Loaded)}
    assert set(loaded) == {"text_encoder", "unet", "vae_decoder"}
    assert all(each.model == "tiny@1" and each.seconds > 0 for each in loaded.values())


def test_texts_that_are_kept_are_told_from_those_that_are_not(tiny_model: Path, tmp_path: Path) -> None:
    with watched(tiny_model, tmp_path) as (studio, seen):
        for seed in (1, 2):
            drawn(studio, "", steps=1, guidance_scale=3.0, seed=seed)
        drawn(studio, "", steps=1, guidance_scale=3.0, prompt="a blue robot")
    told = [sight for sight in seen if isinstance(sight, TextsLookedUp)]
    assert told == [TextsLookedUp("tiny@1", *counts) for counts in ((0, 2), (2, 0), (1, 1))]


@pytest.mark.parametrize(
    "sight",
    [
        Batch("m@1", "unet", "refine", 2, ("a/0", "b/1"), 1.5, 0.25),
        Batch("m@1", "unet", "encode", 1, (), 1.5, 0.25, "RuntimeError"),
        Loaded("m@1", "unet", "openvino", 0.5),
        TextsLookedUp("m@1", 3, 1),
        LetGo("m@1"),
        EngineEnded("was killed"),
    ],
    ids=lambda sight: type(sight).__name__,
)
def test_a_sight_of_another_process_comes_as_what_it_was(sight: Sight) -> None:
    sent = Seen(sights=(sight,)).model_dump_json()
    assert FROM_ENGINE.validate_json(sent) == Seen(sights=(sight,))
