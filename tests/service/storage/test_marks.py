"""Whose a picture store is: what another database may name is not swept away."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from limner.engine.request import DrawRequest
from limner.service.database import open_database
from limner.service.images import ImageStore
from limner.service.jobs import Image, JobStore
from limner.service.storage.retention import DAY, Policy, Sweeper, Swept, sweep

Open = Callable[[str], Engine]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """A database of that name, made where there is none."""
    made: list[Engine] = []

    def opening(name: str) -> Engine:
        made.append(open_database(tmp_path / f"{name}.db"))
        return made[-1]

    yield opening
    for engine in made:
        engine.dispose()


@pytest.fixture
def images(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "pictures")


def shown(engine: Engine, images: ImageStore, png: bytes) -> str:
    """A picture of a job that is done."""
    store, image = JobStore(engine), images.put(png)
    job = store.add(DrawRequest(prompt="a red apple", seed=1, steps=4), 1).id
    store.take("worker", 60)
    store.record("worker", job, Image(0, image, 1, 64, 64, 0.5))
    store.finish("worker", job)
    return image


def uploads_of(engine: Engine) -> ImageStore:
    """Those of all databases that are in one folder."""
    return ImageStore(Path(str(engine.url.database)).parent / "uploads")


def swept_late(engine: Engine, images: ImageStore) -> Swept:
    """What a sweep does when all that is there is older than a day."""
    return sweep(engine, images, uploads_of(engine), Policy(), now=time.time() + DAY + 60)


def test_a_database_that_is_not_the_stores_own_removes_none_of_its_pictures(
    opened: Open, images: ImageStore
) -> None:
    own, other = opened("own"), opened("other")
    kept = [shown(own, images, png) for png in (b"one", b"two")]
    assert swept_late(other, images) == Swept(0, 0, left=2), "of a store that has no mark yet"
    assert swept_late(own, images) == Swept(0, 0)
    assert swept_late(other, images) == Swept(0, 0, left=2)
    assert all(map(images.has, kept))
    left = images.put(b"left over")
    assert swept_late(own, images) == Swept(0, 1), "a look of the other changes nothing for its own"
    assert not images.has(left) and all(map(images.has, kept))


def test_of_two_databases_that_draw_into_one_store_none_removes_what_the_other_drew(
    opened: Open, images: ImageStore
) -> None:
    own, other = opened("own"), opened("other")
    assert swept_late(own, images) == Swept(0, 0)
    kept = [shown(own, images, b"one"), *(shown(other, images, png) for png in (b"two", b"three"))]
    assert swept_late(other, images) == Swept(0, 0, left=1)
    assert swept_late(own, images) == Swept(0, 0, left=2)
    assert all(map(images.has, kept))


def test_uploads_past_their_time_go_from_the_databases_own_store_alone(
    opened: Open, images: ImageStore
) -> None:
    own, other = opened("own"), opened("other")
    shown(own, images, b"one")
    uploads, late = uploads_of(own), time.time() + 2 * DAY
    sent = uploads.put(b"sent")
    sweep(other, images, uploads, Policy(days=1), now=late)
    assert uploads.has(sent)
    sweep(own, images, uploads, Policy(days=1), now=late)
    assert not uploads.has(sent)


def test_a_store_of_before_the_marks_is_its_databases(opened: Open, images: ImageStore) -> None:
    engine = opened("own")
    kept, left = shown(engine, images, b"one"), images.put(b"left over")
    assert swept_late(engine, images) == Swept(0, 1)
    assert images.has(kept) and not images.has(left)


def test_a_database_opened_again_is_the_same(opened: Open, images: ImageStore) -> None:
    assert swept_late(opened("own"), images) == Swept(0, 0)
    images.put(b"left over")
    assert swept_late(opened("own"), images) == Swept(0, 1)


def test_what_is_left_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    twice = threading.Semaphore(0)

    def run(stopped: Callable[[], bool]) -> Swept:
        twice.release()
        return Swept(0, 0, left=3)

    sweeper = Sweeper(run, every=0.001)
    with caplog.at_level(logging.WARNING):
        sweeper.start()
        assert all(twice.acquire(timeout=30) for _ in range(3))
        sweeper.stop()
    (told,) = caplog.messages
    assert told.startswith("3 pictures") and "--images" in told
