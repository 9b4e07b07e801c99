"""The client against a service that listens."""

from __future__ import annotations

import asyncio
import hashlib
import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from limner.answers import ImageLink, PictureLink
from limner.client import (
    AccessDenied,
    Asked,
    AsyncClient,
    Client,
    Ended,
    ImageReady,
    JobFailed,
    NotThere,
    RequestRefused,
    ServiceBusy,
    Step,
)
from limner.errors import Busy, Cancelled, InvalidInput, LimnerError, NotFound, Unavailable
from limner.service.app import create_app
from limner.service.wire import JobRequest
from tests.service.fake_studio import FakeStudio
from tests.service.running import running

from .conftest import Cutting


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as made:
        yield made


def test_a_sentence_becomes_pictures(client: Client, tmp_path: Path) -> None:
    drawn = client.draw("a red apple", seed=7, n=2)
    assert [picture.seed for picture in drawn] == [7, 8]
    assert drawn[0].image.size == (64, 64) and drawn[0].image.getpixel((0, 0)) == (7, 0, 99)
    saved = drawn[0].save(tmp_path / "apple.png")
    assert saved.read_bytes() == drawn[0].png == client.picture(drawn[0].id)


def test_a_picture_is_fetched_as_a_job_shows_it(url: str) -> None:
    async def awaited(image: ImageLink | PictureLink) -> bytes:
        async with AsyncClient(url) as client:
            return await client.picture(image)

    with Client(f"{url}/") as client:
        (drawn,) = client.draw("a red apple", attention=True)
        assert drawn.link.attention is not None
        assert client.picture(drawn.link) == asyncio.run(awaited(drawn.link)) == drawn.png
        for link in drawn.link.attention.maps:
            assert link.url.endswith(hashlib.sha256(client.picture(link)).hexdigest())
            assert asyncio.run(awaited(link)) == client.picture(link)


def test_what_happens_is_told_in_order(client: Client, studio: FakeStudio) -> None:
    studio.permits = threading.Semaphore(1)  # it takes a step when the one before has been heard
    job = client.submit("a red apple", n=2)
    events = []
    for event in job.events():
        events.append(event)
        if isinstance(event, Step | ImageReady):
            studio.permits.release()
    steps = [event for event in events if isinstance(event, Step)]
    assert steps and {step.steps for step in steps} == {4}
    preview = next(step.preview for step in steps if step.preview)
    assert Image.open(io.BytesIO(preview)).size == (8, 8)
    assert sorted(event.link.index for event in events if isinstance(event, ImageReady)) == [0, 1]
    assert isinstance(events[-1], Ended) and events[-1].job.state == "succeeded" == job.view.state
    seen = [int(event.id) for event in events]
    assert seen == sorted(set(seen))


def test_events_go_on_after_the_last_one_seen(client: Client) -> None:
    job = client.submit("a red apple")
    job.wait()
    image, end = job.events()
    assert isinstance(image, ImageReady) and isinstance(end, Ended)
    assert list(job.events(after=image.id)) == [end]
    assert list(job.events(after=end.id)) == [end], "the end is always told"


def test_events_survive_a_restart_of_the_service(tmp_path: Path) -> None:
    waiting, going = FakeStudio(), FakeStudio()
    waiting.gate.clear()
    told: list[str] = []

    def follow(url: str) -> None:
        with Client(url) as client:
            told.extend(type(event).__name__ for event in client.submit("a red apple").events())

    with running(create_app(tmp_path, waiting, drain_seconds=0.05)) as url:
        thread = threading.Thread(target=follow, args=(url,))
        thread.start()
        with Client(url) as client:
            while not [job for job in client.jobs() if job.view.state == "running"]:
                pass
    with running(create_app(tmp_path, going, drain_seconds=0.05), port=int(url.rsplit(":")[-1])):
        thread.join(30)
    assert told[-2:] == ["ImageReady", "Ended"]


def test_a_job_is_cancelled(client: Client, studio: FakeStudio) -> None:
    studio.gate.clear()
    job = client.submit("a red apple")
    assert job.cancel().state == "cancelled"
    with pytest.raises(Cancelled, match=job.id):
        job.pictures()


def test_who_leaves_a_drawing_cancels_it(client: Client, studio: FakeStudio) -> None:
    studio.gate.clear()

    def leave(event: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.draw("a red apple", on_event=leave)
    (job,) = client.jobs()
    assert job.view.state == "cancelled"


def test_waiting_ends_with_the_time_limit(client: Client, studio: FakeStudio) -> None:
    studio.gate.clear()
    job = client.submit("a red apple")
    with pytest.raises(TimeoutError, match=r"0\.1 seconds"):
        job.wait(timeout=0.1)
    studio.gate.set()
    assert job.wait(timeout=30).state == "succeeded"


def test_waiting_ends_with_the_time_limit_while_the_service_is_away(
    cutting: Cutting, studio: FakeStudio
) -> None:
    studio.gate.clear()
    with Client(cutting.url, patience=60) as client:
        job = client.submit("a red apple")
        cutting.cuts = 1_000_000
        with pytest.raises(TimeoutError, match=r"0\.5 seconds"):
            job.wait(timeout=0.5)


def test_a_job_that_fails_says_why(client: Client, studio: FakeStudio) -> None:
    studio.failures = 3
    with pytest.raises(JobFailed, match="the paint ran out") as caught:
        client.draw("a red apple")
    assert caught.value.job.attempts == 3


def test_jobs_are_listed_over_the_end_of_a_page(client: Client) -> None:
    made = []
    for _ in range(26):
        job = client.submit("a red apple")
        job.wait()
        made.append(job.id)
    assert [job.id for job in client.jobs()] == made[::-1]
    assert client.job(made[0]).view.state == "succeeded"


def test_the_models_are_listed(client: Client) -> None:
    (model,) = client.models()
    assert (model.name, model.version, model.sizes[0].width) == ("storybook", "1", 64)


@pytest.mark.parametrize("way", ["bytes", "file", "image", "id"])
def test_a_picture_to_work_from_is_sent_first(
    client: Client, studio: FakeStudio, tmp_path: Path, way: str
) -> None:
    picture = Image.new("RGB", (20, 10), "red")
    picture.save(tmp_path / "red.png")
    file = tmp_path / "red.png"
    given = {"bytes": file.read_bytes(), "file": file, "image": picture, "id": client.upload(file).id}[way]
    client.draw("a cat", image=given)  # type: ignore[arg-type]
    source = studio.sources[-1]
    assert source is not None and (source.pixels == (255, 0, 0)).all()


def test_a_picture_in_memory_is_sent_upright_and_in_rgb(client: Client, studio: FakeStudio) -> None:
    file = io.BytesIO()
    turned = Image.new("CMYK", (20, 10), (0, 255, 255, 0))
    exif = turned.getexif()
    exif[ExifTags.Base.Orientation] = 6  # a quarter to the right
    turned.save(file, "JPEG", exif=exif)
    client.draw("a cat", image=Image.open(file))
    source = studio.sources[-1]
    assert source is not None and source.pixels.shape == (20, 10, 3)
    assert source.pixels[10, 5, 0] > 200 and source.pixels[10, 5, 1:].max() < 60


def test_what_is_no_picture_is_refused_before_it_is_sent(client: Client, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.png"):
        client.draw("a cat", image=tmp_path / "none.png")
    with pytest.raises(InvalidInput, match="int is no picture"):
        client.draw("a cat", image=7)  # type: ignore[arg-type]


def test_errors_are_limners_own_and_carry_the_problem(client: Client) -> None:
    with pytest.raises(RequestRefused) as refused:
        client.draw("a red apple", steps=0)
    error = refused.value
    assert isinstance(error, InvalidInput) and error.field == "steps" and error.status == 422
    assert error.problem.errors[0].allowed == "a whole number from 1 to 150"
    assert str(error) == error.problem.detail
    with pytest.raises(NotThere, match="no job") as missing:
        client.job("none")
    assert isinstance(missing.value, NotFound)
    with pytest.raises(NotThere):
        client.picture("0" * 64)


def test_a_foreign_host_is_denied(url: str) -> None:
    with Client(url.replace("127.0.0.1", "127.1")) as client, pytest.raises(AccessDenied):
        client.models()


def test_a_full_queue_is_waited_for(client: Client, url: str, studio: FakeStudio) -> None:
    studio.gate.clear()
    first = client.submit("a red apple")
    while first.refresh().state != "running":
        pass
    for _ in range(3):
        client.submit("a red apple")
    with Client(url, patience=0) as hasty, pytest.raises(ServiceBusy) as busy:
        hasty.submit("a red apple")
    assert isinstance(busy.value, Busy) and busy.value.retry_after >= 1
    late: list[str] = []
    thread = threading.Thread(target=lambda: late.append(client.submit("a blue apple").wait().state))
    thread.start()
    studio.gate.set()
    thread.join(30)
    assert late == ["succeeded"]


def test_nobody_there_is_said_at_once() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(Unavailable, match="is the service running"):
        client.models()


@pytest.mark.parametrize("url", ["", "localhost:8400", "ftp://localhost", "http://", "http://a:b"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        Client(url)


def test_the_key_goes_along_and_is_not_shown(
    tmp_path: Path, studio: FakeStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    app = create_app(tmp_path, studio, drain_seconds=0.2)

    @app.middleware("http")
    async def look(request, call_next):  # type: ignore[no-untyped-def]
        seen.append(request.headers.get("authorization", ""))
        return await call_next(request)

    with running(app) as url:
        with Client(url, api_key="secret") as client:
            client.models()
            assert "secret" not in repr(client._connection)
        monkeypatch.setenv("LIMNER_API_KEY", "other")
        with Client(url) as client:
            client.models()
    assert seen == ["Bearer secret", "Bearer other"]
    with pytest.raises(InvalidInput, match="API key"):
        Client(api_key="a\nb")


def test_the_settings_are_those_of_the_service() -> None:
    assert set(Asked.__annotations__) == set(JobRequest.model_fields) - {"prompt"}


def test_the_client_stays_light() -> None:
    code = "import sys, limner.client; print(*sys.modules)"
    probe = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    loaded = set(probe.stdout.split())
    assert not loaded & {
        "fastapi",
        "sqlalchemy",
        "openvino",
        "onnx",
        "numpy",
        "PIL",
        "limner.engine",
        "limner.service",
    }


def test_every_error_is_a_limner_error() -> None:
    import limner.client as module

    errors = [kind for name in module.__all__ if isinstance(kind := getattr(module, name), type)]
    assert all(issubclass(kind, LimnerError) for kind in errors if issubclass(kind, Exception))
