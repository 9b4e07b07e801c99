"""The asynchronous client: the same, awaited."""

from __future__ import annotations

import asyncio
import threading

import pytest
from PIL import Image

from limner.client import (
    AsyncClient,
    Client,
    Ended,
    ImageReady,
    JobEvent,
    JobFailed,
    NotThere,
    RequestRefused,
    Step,
)
from limner.errors import Cancelled, Unavailable
from tests.service.fake_studio import FakeStudio


def test_many_are_drawn_at_once(url: str, studio: FakeStudio) -> None:
    studio.permits = permits = threading.Semaphore(1)  # it takes a step when the one before has been heard
    events: list[JobEvent] = []

    def heard(event: JobEvent) -> None:
        events.append(event)
        if isinstance(event, Step | ImageReady):
            permits.release()

    async def go() -> list[int]:
        async with AsyncClient(url) as client:
            asked = [client.draw("a red apple", seed=seed, on_event=heard) for seed in range(3)]
            return [picture.seed for drawn in await asyncio.gather(*asked) for picture in drawn]

    assert asyncio.run(go()) == [0, 1, 2]
    assert sum(isinstance(event, Ended) for event in events) == 3
    assert any(isinstance(event, Step) for event in events)


def test_jobs_models_and_pictures(url: str, studio: FakeStudio) -> None:
    async def go() -> None:
        async with AsyncClient(url) as client:
            uploaded = await client.upload(Image.new("RGB", (20, 10), "red"))
            job = await client.submit("a cat", image=uploaded.id)
            assert (await job.wait(30)).state == "succeeded"
            (drawn,) = await job.pictures()
            assert drawn.png == await client.picture(drawn.id) and drawn.image.size == (64, 64)
            assert [job.id async for job in client.jobs()] == [job.id]
            assert (await client.job(job.id)).view == job.view == await job.refresh()
            assert [model.name for model in await client.models()] == ["storybook"]
            seen = [event async for event in job.events()]
            assert [event async for event in job.events(after=seen[-1].id)] == [seen[-1]]

    asyncio.run(go())
    assert studio.sources[0] is not None


def test_who_leaves_a_drawing_cancels_it(url: str, studio: FakeStudio) -> None:
    studio.gate.clear()

    async def go() -> None:
        async with AsyncClient(url) as client:
            begun = asyncio.Event()
            drawing = asyncio.create_task(client.draw("a red apple", on_event=lambda event: begun.set()))
            await begun.wait()
            drawing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await drawing
            assert [job.view.state async for job in client.jobs()] == ["cancelled"]

    asyncio.run(go())


def test_waiting_with_a_limit_leaves_the_job_alone(url: str, studio: FakeStudio) -> None:
    studio.gate.clear()

    async def go() -> None:
        async with AsyncClient(url) as client:
            job = await client.submit("a red apple")
            with pytest.raises(TimeoutError):
                await job.wait(0.1)
            assert (await job.refresh()).state in {"queued", "running"}
            assert (await job.cancel()).state == "cancelled"
            with pytest.raises(Cancelled):
                await job.pictures()

    asyncio.run(go())


def test_errors_are_those_of_the_other_client(url: str, studio: FakeStudio) -> None:
    studio.failures = 3

    async def go() -> None:
        async with AsyncClient(url) as client:
            with pytest.raises(RequestRefused):
                await client.draw("a red apple", steps=0)
            with pytest.raises(NotThere):
                await client.job("none")
            with pytest.raises(JobFailed, match="paint"):
                await client.draw("a red apple")
        async with AsyncClient("http://127.0.0.1:9") as nobody:
            with pytest.raises(Unavailable):
                await nobody.models()

    asyncio.run(go())


def test_both_clients_offer_the_same() -> None:
    def offered(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert offered(Client) == offered(AsyncClient)
