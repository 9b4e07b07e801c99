from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image as Pillow
from sqlalchemy import Engine, select, update

from limner.service.access import Holdings, KeyStore
from limner.service.app import create_app
from limner.service.database import open_database
from limner.service.images import ImageStore, open_stores
from limner.service.schema import HoldingRow, JobRow
from limner.service.service import Service
from limner.service.storage import StorageOptions
from limner.service.storage.report import report
from limner.service.storage.retention import DAY, Policy, Sweeper, Swept, let_go_of_gone, orphans, sweep
from tests.service.fake_studio import FakeStudio

from .test_outages import ask, until

BASE = "http://127.0.0.1:8000"


@pytest.fixture
def studio() -> FakeStudio:
    return FakeStudio()


@pytest.fixture
def client(tmp_path: Path, studio: FakeStudio) -> Iterator[TestClient]:
    app = create_app(tmp_path, studio, parallel=1, drain_seconds=0.2)
    with TestClient(app, base_url=BASE) as made:
        yield made


@pytest.fixture
def engine(client: TestClient, tmp_path: Path) -> Iterator[Engine]:
    made = open_database(tmp_path / "limner.db")
    yield made
    made.dispose()


@pytest.fixture
def images(client: TestClient) -> ImageStore:
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    return service.images


@pytest.fixture
def uploads(client: TestClient) -> ImageStore:
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    return service.uploads


def drawn(client: TestClient, **asked: Any) -> dict[str, Any]:
    return until(client, ask(client, **asked)["id"], "succeeded")


def age(engine: Engine, job: str, days: float) -> None:
    with engine.execution_options(write=True).begin() as connection:
        changed = update(JobRow).where(JobRow.id == job).values(finished_at=time.time() - days * DAY)
        connection.execute(changed)


def png(seed: int) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(np.random.default_rng(seed).integers(0, 256, (99, 99, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def there(client: TestClient, job: dict[str, Any]) -> list[int]:
    return [client.get(f"/v1/jobs/{job['id']}").status_code] + [
        client.get(image["url"]).status_code for image in job["images"]
    ]


def test_without_a_policy_all_is_kept(
    client: TestClient, engine: Engine, images: ImageStore, uploads: ImageStore
) -> None:
    job = drawn(client)
    age(engine, job["id"], 10_000)
    assert sweep(engine, images, uploads, Policy()) == Swept(0, 0)
    assert there(client, job) == [200, 200]


def test_jobs_go_some_days_after_their_end(
    client: TestClient, engine: Engine, images: ImageStore, uploads: ImageStore
) -> None:
    old, new = drawn(client, seed=1), drawn(client, seed=2)
    age(engine, old["id"], 8)
    age(engine, new["id"], 6)
    assert sweep(engine, images, uploads, Policy(days=7)).jobs == 1
    assert there(client, old) == [404, 404] and there(client, new) == [200, 200]


def test_a_sweep_that_is_stopped_forgets_no_further_job(
    client: TestClient, engine: Engine, images: ImageStore, uploads: ImageStore
) -> None:
    jobs = [drawn(client, seed=seed) for seed in range(4)]
    for job in jobs:
        age(engine, job["id"], 8)
    for policy in (Policy(days=7), Policy(space=0)):
        looks = iter([False])
        assert sweep(engine, images, uploads, policy, stopped=partial(next, looks, True)).jobs == 1
    assert [there(client, job)[0] for job in jobs] == [404, 404, 200, 200]


def test_what_is_pinned_stays(
    client: TestClient, engine: Engine, images: ImageStore, uploads: ImageStore
) -> None:
    jobs = [drawn(client, seed=seed, n=2) for seed in (0, 2, 4)]
    for job in jobs:
        age(engine, job["id"], 8)
    pinned = {"image": jobs[1]["images"][1]["id"]}
    assert client.post("/v1/pins", json=pinned).status_code == 200
    assert sweep(engine, images, uploads, Policy(days=7, space=0)).jobs == 2
    assert [there(client, job)[0] for job in jobs] == [404, 200, 404]
    assert there(client, jobs[1]) == [200, 200, 200], "with all that was drawn beside it"
    client.delete(f"/v1/pins/{pinned['image']}")
    assert sweep(engine, images, uploads, Policy(days=7)).jobs == 1
    assert there(client, jobs[1]) == [404, 404, 404]


def test_what_an_admin_pinned_of_what_was_made_before_there_were_keys_stays(
    client: TestClient, engine: Engine, images: ImageStore, uploads: ImageStore
) -> None:
    job = drawn(client)
    age(engine, job["id"], 8)
    _, secret = KeyStore(engine).create("admin", ["admin"])
    admin = {"authorization": f"Bearer {secret}"}
    pinned = client.post("/v1/pins", json={"image": job["images"][0]["id"]}, headers=admin)
    assert pinned.status_code == 200
    assert sweep(engine, images, uploads, Policy(days=7)).jobs == 0


def test_a_picture_that_another_job_shows_stays(
    client: TestClient, engine: Engine, images: ImageStore, uploads: ImageStore
) -> None:
    old, again = drawn(client, seed=1), drawn(client, seed=1)
    made_from = drawn(client, seed=2)
    user = drawn(client, seed=3, image=made_from["images"][0]["id"])
    for job in (old, made_from):
        age(engine, job["id"], 8)
    assert sweep(engine, images, uploads, Policy(days=7)).jobs == 2
    assert there(client, old) == [404, 200] and there(client, again) == [200, 200]
    assert there(client, made_from) == [404, 200] and there(client, user) == [200, 200]


@pytest.mark.parametrize("policy", [Policy(days=30), Policy(space=0)])
def test_what_a_job_was_made_from_goes_with_it_wherever_it_lies(
    client: TestClient, engine: Engine, images: ImageStore, uploads: ImageStore, policy: Policy
) -> None:
    sent = client.post("/v1/images", content=png(0), headers={"content-type": "image/png"}).json()
    age(engine, drawn(client, image=sent["id"])["id"], 31)
    assert images.has(sent["id"]) and uploads.has(sent["id"])
    assert sweep(engine, images, uploads, policy).jobs == 1
    assert not images.has(sent["id"]) and not uploads.has(sent["id"])
    assert client.get(sent["url"]).status_code == 404


def test_uploads_go_some_days_after_they_were_sent(
    client: TestClient, engine: Engine, images: ImageStore, uploads: ImageStore
) -> None:
    sent, later = uploads.put(png(0)), time.time() + 7 * DAY
    for policy in (Policy(), Policy(days=8)):
        sweep(engine, images, uploads, policy, now=later)
        assert uploads.has(sent)
    sweep(engine, images, uploads, Policy(days=6), now=later)
    assert not uploads.has(sent)


def test_the_oldest_go_first_where_there_is_no_room(
    client: TestClient, engine: Engine, images: ImageStore, uploads: ImageStore
) -> None:
    jobs = [drawn(client, seed=seed) for seed in range(4)]
    sizes = {each.name: each.size for each in images.list()}
    last_two = sum(sizes[job["images"][0]["id"]] for job in jobs[2:])
    assert sweep(engine, images, uploads, Policy(space=last_two)).jobs == 2
    assert [there(client, job)[0] for job in jobs] == [404, 404, 200, 200]
    assert sum(each.size for each in images.list()) == last_two
    assert sweep(engine, images, uploads, Policy(space=last_two)).jobs == 0


def test_a_job_that_waits_or_is_drawn_is_never_touched(
    client: TestClient, engine: Engine, images: ImageStore, uploads: ImageStore, studio: FakeStudio
) -> None:
    studio.gate.clear()
    running, waiting = ask(client, seed=1), ask(client, seed=2)
    until(client, running["id"], "running")
    assert sweep(engine, images, uploads, Policy(days=0, space=0)) == Swept(0, 0)
    studio.gate.set()
    for job in (running, waiting):
        assert there(client, until(client, job["id"], "succeeded", "failed")) == [200, 200]


def test_pictures_that_nothing_names_go_after_a_day(
    client: TestClient, engine: Engine, images: ImageStore, uploads: ImageStore
) -> None:
    job = drawn(client, attention=True)
    left = images.put(png(0))
    assert orphans(engine, images).keys() == {left}
    for now, gone in ((time.time(), 0), (time.time() + DAY + 60, 1)):
        assert sweep(engine, images, uploads, Policy(), now=now).orphans == gone
        assert images.has(left) == (not gone)
    assert there(client, job) == [200, 200]


def test_a_picture_that_is_held_but_of_no_job_goes_and_makes_no_job_go(
    client: TestClient, engine: Engine, images: ImageStore, uploads: ImageStore
) -> None:
    """Such as what a job was to be made from that was refused by its quota."""
    job = drawn(client)
    size = sum(each.size for each in images.list())
    left = images.put(png(0))
    Holdings(engine).hold("anybody", [left])
    assert sweep(engine, images, uploads, Policy(space=size)) == Swept(0, 0)
    assert sweep(engine, images, uploads, Policy(space=size), now=time.time() + DAY + 60) == Swept(0, 1)
    assert there(client, job) == [200, 200] and not images.has(left)


def test_nobody_holds_what_is_gone_and_of_no_job(
    client: TestClient, engine: Engine, images: ImageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, holdings = drawn(client), Holdings(engine)
    stores = (images, ImageStore(tmp_path / "uploads"))
    shown, gone, kept, late = job["images"][0]["id"], *(png(k) for k in range(3))
    names = [stores[1].put(each) for each in (gone, kept, late)]
    for owner in ("anybody", "another"):
        holdings.hold(owner, names)
    for name in (shown, names[0], names[2]):
        stores[0].delete(name)
        stores[1].delete(name)
    has = stores[1].has

    def put_just_before(name: str) -> bool:
        if name == names[2]:
            stores[1].put(late)
        return has(name)

    monkeypatch.setattr(stores[1], "has", put_just_before)
    assert let_go_of_gone(engine, stores) == 1
    with engine.connect() as connection:
        left = connection.execute(select(HoldingRow.owner, HoldingRow.image)).all()
    assert {(row.owner, row.image) for row in left if row.image != shown} == {
        (owner, name) for owner in ("anybody", "another") for name in names[1:]
    }
    assert shown in {row.image for row in left}, "a job names it, whatever has become of its file"


def test_the_sweeper_goes_on_after_an_error_and_ends_when_it_is_told() -> None:
    swept_twice = threading.Semaphore(0)

    def run(stopped: Callable[[], bool]) -> Swept:
        swept_twice.release()
        raise RuntimeError("the broom broke")

    sweeper = Sweeper(run, every=0.001)
    sweeper.start()
    assert swept_twice.acquire(timeout=30) and swept_twice.acquire(timeout=30), "it goes on after an error"
    sweeper.stop()


def test_a_service_sweeps_by_its_policy(tmp_path: Path, studio: FakeStudio) -> None:
    app = create_app(tmp_path, studio, drain_seconds=0.2)
    with TestClient(app, base_url=BASE) as client:
        job = drawn(client)
    engine = open_database(tmp_path / "limner.db")
    age(engine, job["id"], 31)
    engine.dispose()
    app = create_app(tmp_path, studio, drain_seconds=0.2, storage=StorageOptions(keep_days=30))
    with TestClient(app, base_url=BASE) as client:
        for _ in range(3000):
            if there(client, job) == [404, 404]:
                break
            time.sleep(0.01)
        assert there(client, job) == [404, 404]


def test_what_lies_there_is_told(
    client: TestClient, engine: Engine, images: ImageStore, tmp_path: Path
) -> None:
    drawn(client, n=2, seed=1)
    found = report(engine, open_stores(StorageOptions(), tmp_path), tmp_path)
    assert found.jobs == {"succeeded": 1} and found.database.endswith("limner.db")
    assert found.pictures["images"].count == 2 and found.pictures["uploads"].count == 0
    assert found.pictures["images"].size == sum(each.size for each in images.list())
    assert found.database_size > 0 and found.free > 0 and found.orphans.count == 0
