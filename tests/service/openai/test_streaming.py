"""Pictures as they come, by the official Python client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import Any

import httpx
import openai
import pytest
from openai.types import ImageGenCompletedEvent, ImageGenPartialImageEvent

from limner.errors import StorageDown

from .conftest import Server
from .test_generations import COLOUR, PROMPT, opened


def stream(client: openai.OpenAI, **fields: Any) -> Iterable[Any]:
    made: Iterable[Any] = client.images.generate(prompt=PROMPT, stream=True, extra_body={"seed": 7}, **fields)
    return made


def events(client: openai.OpenAI, **fields: Any) -> list[Any]:
    return list(stream(client, **fields))


@pytest.mark.parametrize("shown", [(), (2,), (2, 3), (1, 2, 3)], ids=len)
def test_partial_images_come_before_the_picture(
    client: openai.OpenAI, server: Server, shown: tuple[int, ...]
) -> None:
    *before, last = server.paced(
        lambda: stream(client, partial_images=len(shown), size="128x96"),
        *shown,
    )
    assert isinstance(last, ImageGenCompletedEvent) and last.type == "image_generation.completed"
    assert tuple(event.model_dump()["limner"]["step"] for event in before) == shown
    for index, event in enumerate(before):
        assert isinstance(event, ImageGenPartialImageEvent) and event.partial_image_index == index
    for event in (*before, last):
        assert (event.size, event.output_format, event.background) == ("128x96", "png", "opaque")
        picture = opened(event.b64_json)
        assert picture.size == (128, 96) and picture.getpixel((64, 48)) == COLOUR
    assert last.usage.total_tokens == 0


def test_each_of_several_pictures_is_completed(client: openai.OpenAI) -> None:
    found = events(client, n=3, partial_images=0)
    assert sorted(event.model_dump()["limner"]["seed"] for event in found) == [7, 8, 9]


def test_other_formats(client: openai.OpenAI, server: Server) -> None:
    found = server.paced(lambda: stream(client, partial_images=1, output_format="webp"), 2)
    assert len(found) == 2 and all(opened(event.b64_json).format == "WEBP" for event in found)


def test_the_asynchronous_client(server: Server) -> None:
    async def kinds() -> list[str]:
        async with server.asynchronous() as client:
            stream = await client.images.generate(prompt=PROMPT, stream=True)
            return [event.type async for event in stream]

    assert asyncio.run(kinds()) == ["image_generation.completed"]


def test_a_failed_job_ends_the_stream_with_an_error(client: openai.OpenAI, server: Server) -> None:
    server.studio.failures = 3
    with pytest.raises(openai.APIError, match="the paint ran out") as failed:
        events(client)
    assert (failed.value.code, failed.value.type) == ("drawing_failed", "server_error")


def test_a_cancelled_job_ends_the_stream_with_an_error(client: openai.OpenAI, server: Server) -> None:
    server.studio.gate.clear()
    stream = client.images.with_raw_response.generate(prompt=PROMPT, stream=True)
    httpx.delete(f"{server.url}/jobs/{stream.headers['limner-job']}")
    with pytest.raises(openai.APIError, match="cancelled") as ended:
        list(stream.parse())
    assert ended.value.code == "cancelled"


def test_what_is_refused_is_refused_before_the_stream(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        events(client, size="9x9")
    assert refused.value.param == "size"


def test_a_service_that_stops_ends_the_stream_with_an_error(client: openai.OpenAI, server: Server) -> None:
    server.studio.gate.clear()
    stream = client.images.generate(prompt=PROMPT, stream=True)
    threading.Thread(target=server.service.drain).start()
    with pytest.raises(openai.APIError, match="drawn when it is back") as stopped:
        list(stream)
    assert stopped.value.code == "service_unavailable"


def test_a_picture_of_which_no_event_told_comes_with_the_end(
    client: openai.OpenAI, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store fails between the row of the last picture and telling of it."""
    has, failed = server.service.images.has, list[str]()

    def fails_once(name: str) -> bool:
        if not failed:
            failed.append(name)
            raise StorageDown("the picture store does not answer")
        return has(name)

    monkeypatch.setattr(server.service.images, "has", fails_once)
    found = events(client)
    assert failed and [event.type for event in found] == ["image_generation.completed"]
