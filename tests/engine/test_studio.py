from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import pytest

from limner.engine import memory
from limner.engine.loaded import LoadedModel
from limner.engine.request import DrawRequest, Event, Finished, Picture, Stepped, Stopped
from limner.engine.scheduler import Ticket
from limner.engine.studio import LocalStudio
from limner.engine.watching import LetGo, Sight
from limner.errors import InvalidInput, NotFound, Unavailable
from limner.registry.manifest import Manifest
from limner.registry.models import Registry


@pytest.fixture(scope="module")
def registry(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """One for all studios of this file: what one has compiled the next reads."""
    home = tmp_path_factory.mktemp("registry")
    for name in ("tiny", "other", "third"):
        folder = shutil.copytree(tiny_model, home / "models" / name / "1")
        manifest = folder / "limner.json"
        manifest.write_text(manifest.read_text("utf-8").replace('"tiny"', f'"{name}"', 1), encoding="utf-8")
    return Registry(home)


@pytest.fixture
def studio(registry: Registry) -> Iterator[LocalStudio]:
    studio = LocalStudio(registry, threads=1)
    yield studio
    studio.close()


def ask(number: int = 0, **changes: object) -> DrawRequest:
    asked = {"prompt": f"a red apple {number}", "model": "tiny", "seed": number, "steps": 3 + number % 3}
    return DrawRequest.model_validate(asked | changes)


def test_a_picture_in_company_is_the_picture_alone(studio: LocalStudio) -> None:
    asked = [
        ask(number, guidance_scale=1.0 if number % 3 else 3.0, feature_reuse=1 + number % 4 // 2)
        for number in range(8)
    ]
    alone = [studio.draw(request).pixels for request in asked]
    events: list[Queue[Event]] = [Queue() for _ in asked]
    for request, heard in zip(asked, events, strict=True):
        studio.start(request, heard.put)
    for expected, heard in zip(alone, events, strict=True):
        while isinstance(event := heard.get(timeout=60), Stepped):
            pass
        assert isinstance(event, Finished)
        error = np.mean((event.picture.pixels.astype(float) - expected) ** 2)
        # 50 dB; on one machine the bits are equal as a rule.
        assert error <= 255**2 / 10**5


def test_events_come_in_order_and_the_picture_knows_its_request(studio: LocalStudio) -> None:
    events: Queue[Event] = Queue()
    studio.start(DrawRequest(prompt="a red apple", model="tiny@1"), events.put)
    for step in range(1, 5):
        event = events.get(timeout=60)
        assert isinstance(event, Stepped) and (event.step, event.steps) == (step, 4)
        assert event.preview is not None and event.preview.shape == (8, 8, 3)
    last = events.get(timeout=60)
    assert isinstance(last, Finished)
    picture: Picture = last.picture
    assert picture.pixels.shape == (64, 64, 3) and picture.pixels.dtype == np.uint8
    assert picture.version == "1" and picture.seconds > 0
    assert picture.request.seed is not None
    assert np.array_equal(studio.draw(picture.request).pixels, picture.pixels)


def test_the_scheduler_is_told_how_many_steps_will_be_taken(
    studio: LocalStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.draw(ask(steps=2))
    (loaded,) = studio._loaded.all()
    told: list[int] = []
    submit = loaded.scheduler.submit

    def spy(*given: Any) -> Ticket:
        told.append(given[-1])
        return submit(*given)

    monkeypatch.setattr(loaded.scheduler, "submit", spy)
    studio.draw(ask(steps=5))
    assert told == [5]


def test_a_model_that_reuses_features_is_warm_at_both_depths(tmp_path: Path, tiny_model: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "models" / "tiny" / "1")
    manifest = Manifest.read(folder)
    told = manifest.stepping.model_copy(update={"feature_reuse": 3})
    manifest.model_copy(update={"sampler": told}).write(folder)
    studio = LocalStudio(Registry(tmp_path), threads=1)
    studio.preload("tiny")
    (loaded,) = studio._loaded.all()
    assert {"unet/full", "unet/shallow"} <= set(loaded.networks._networks)
    assert "unet" not in loaded.networks._networks
    studio.close()


def test_cancelling_ends_with_stopped(studio: LocalStudio) -> None:
    events: Queue[Event] = Queue()
    drawing = studio.start(ask(steps=150), events.put)
    events.get(timeout=60)
    drawing.cancel()
    while isinstance(event := events.get(timeout=60), Stepped):
        assert event.step < 150
    assert isinstance(event, Stopped)


def test_wrong_requests_are_refused_at_once(studio: LocalStudio) -> None:
    with pytest.raises(NotFound, match="tiny@1"):
        studio.start(ask(model="nobody"), print)
    with pytest.raises(InvalidInput) as caught:
        studio.resolve(ask(width=100))
    assert caught.value.field == "width"


def test_models_that_rest_make_room(studio: LocalStudio) -> None:
    for name in ("tiny", "other", "third", "tiny"):
        studio.preload(name)
    assert len(studio._loaded.all()) == 2
    assert {model.name for model in studio.models()} >= {"tiny", "other", "third"}


@pytest.mark.parametrize(("most", "stay"), [(None, 2), (1, 1)])
def test_models_that_were_drawn_at_once_make_room_at_their_end(
    most: int | None, stay: int, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last used, whose picture ends first, stays."""
    monkeypatch.setattr(memory, "held", lambda: 2**30)
    left: Queue[str] = Queue()

    def watcher(sight: Sight) -> None:
        if isinstance(sight, LetGo):
            left.put(sight.model)

    studio = LocalStudio(registry, threads=1, watcher=watcher, memory=most)
    heard = {name: Queue[Event]() for name in ("tiny", "other", "third")}
    drawings = {name: studio.start(ask(model=name, steps=150), events.put) for name, events in heard.items()}
    assert len(studio._loaded.all()) == 3
    for name in reversed(drawings):
        drawings[name].cancel()
        while isinstance(heard[name].get(timeout=60), Stepped):
            pass
    gone = {left.get(timeout=20) for _ in range(3 - stay)}
    assert gone <= {"tiny@1", "other@1"} and len(studio._loaded.all()) == stay
    studio.close()


def test_a_picture_ends_for_its_caller_whatever_follows_it(
    studio: LocalStudio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(loaded: LoadedModel) -> None:
        raise RuntimeError("cannot be counted")

    monkeypatch.setattr(LoadedModel, "tell_texts", fails)
    events: Queue[Event] = Queue()
    studio.start(ask(), events.put)
    while isinstance(event := events.get(timeout=20), Stepped):
        pass
    assert isinstance(event, Finished) and "cannot be counted" in caplog.text


def test_a_closed_studio_says_so(studio: LocalStudio) -> None:
    events: Queue[Event] = Queue()
    studio.start(ask(steps=150), events.put)
    studio.close()
    while isinstance(event := events.get(timeout=60), Stepped):
        pass
    assert isinstance(event, Stopped)
    with pytest.raises(Unavailable):
        studio.draw(ask())


def test_a_resolved_request_stays_with_its_version(studio: LocalStudio, tiny_model: Path) -> None:
    assert studio.resolve(ask()).model == "tiny@1"
    assert studio.resolve(ask(model="tiny@1")).model == "tiny@1"
    assert studio.resolve(ask(model=str(tiny_model))).model == str(tiny_model)


def test_a_model_replaced_under_its_version_is_told_and_drawn(
    studio: LocalStudio, registry: Registry, tmp_path: Path
) -> None:
    resolved = studio.resolve(ask())
    before, drawn = studio.identity(resolved), studio.draw(resolved)
    assert studio.identity(resolved) == before == studio.identity(ask(5, model="tiny@1"))
    manifest = registry.find("tiny").path / "limner.json"
    changed = tmp_path / "limner.json"
    changed.write_text(manifest.read_text("utf-8"), encoding="utf-8")
    changed.replace(manifest)
    assert studio.identity(resolved) != before
    assert (studio.draw(resolved).pixels == drawn.pixels).all()
