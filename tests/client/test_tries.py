"""When a call is sent again, without anything being sent."""

from __future__ import annotations

import asyncio
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest
from pydantic import BaseModel

from limner.answers import JobView, WithheldView
from limner.answers.jobs import _JOB
from limner.client import AsyncClient, Client, Ended, ImageReady, JobEvent, Withheld
from limner.client.asynchronous import AsyncJob
from limner.client.errors import NotThere, RequestRefused, ServiceBusy, ServiceDown, ServiceError, error_of
from limner.client.requests import delete_picture, get_job, make_job
from limner.client.synchronous import Job
from limner.client.tries import LONGEST_PAUSE, Tries, retry_after
from limner.errors import Unavailable

GET, POST = get_job("a"), make_job("a red apple", {})


def answer(status: int, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, headers={key.replace("_", "-"): value for key, value in headers.items()})


def tries(call: object = GET, patience: float = 60, known: bool = True) -> Tries:
    return Tries(call, "http://here", patience, known)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [200, 202, 204])
def test_what_is_good_is_not_sent_again(status: int) -> None:
    assert tries().answered(answer(status)) is None


def test_pauses_grow_and_are_bounded() -> None:
    counted = tries(patience=1e9)
    pauses = [counted.answered(answer(503)) or 0 for _ in range(12)]
    assert 0 < pauses[0] <= 0.25
    assert all(LONGEST_PAUSE / 2 <= pause <= LONGEST_PAUSE for pause in pauses[6:])


def test_the_service_says_how_long_to_wait() -> None:
    pause = tries(POST).answered(answer(429, retry_after="7"))
    assert pause is not None and 7 <= pause < 8
    with pytest.raises(ServiceBusy) as caught:
        tries(POST).answered(answer(429, retry_after="3600"))
    assert caught.value.retry_after == 3600


@pytest.mark.parametrize("status", [400, 401, 404, 422, 500])
def test_a_refusal_is_final(status: int) -> None:
    with pytest.raises(ServiceError):
        tries().answered(answer(status))


def test_what_a_proxy_lost_is_sent_again() -> None:
    for call in (GET, POST):
        assert tries(call).answered(answer(502)) is not None
    with pytest.raises(ServiceDown):
        tries(POST, patience=0).answered(answer(502))
    assert POST.headers["Idempotency-Key"] != make_job("a red apple", {}).headers["Idempotency-Key"]


def test_a_try_that_still_runs_is_waited_for() -> None:
    pause = tries(POST).answered(answer(409, retry_after="1"))
    assert pause is not None and pause >= 1


def test_what_is_gone_at_the_second_try_was_deleted_by_the_first() -> None:
    call = tries(delete_picture("a"))
    with pytest.raises(NotThere):
        call.answered(answer(404))
    call.lost(httpx2.ReadError("cut"))
    assert call.answered(answer(404)) is None
    again = tries(GET)
    again.lost(httpx2.ReadError("cut"))
    with pytest.raises(NotThere):
        again.answered(answer(404))


def test_a_lost_connection() -> None:
    cut, refused = httpx2.ReadError("cut"), httpx2.ConnectError("refused")
    assert tries(GET).lost(cut) > 0
    assert tries(POST).lost(cut) > 0
    assert tries(POST).lost(refused) > 0
    with pytest.raises(Unavailable, match="cut"):
        tries(POST, patience=0).lost(cut)
    with pytest.raises(Unavailable, match="is the service running"):
        tries(GET, known=False).lost(refused)
    with pytest.raises(Unavailable, match="cutting off"):
        tries(GET, patience=0).cut()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("5", 5), ("0", 0), ("-3", 0), ("1.5", 1.5), ("soon", None), ("inf", None), ("nan", None)],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds


def test_retry_after_may_be_a_date() -> None:
    later = retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True))
    assert later is not None and 90 < later <= 100
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_an_answer_that_is_no_problem_document_is_still_an_error() -> None:
    error = error_of(503, b"<html>", None)
    assert isinstance(error, ServiceDown) and "503" in str(error)


@pytest.mark.parametrize("status", [422, 429, 404, 503, 500])
def test_errors_survive_the_way_between_processes(status: int) -> None:
    error = error_of(status, b"{}", 4.0)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error) and again.problem == error.problem
    assert isinstance(error, RequestRefused) == (status == 422)


@pytest.mark.parametrize("way", ["waits", "asyncio"])
def test_a_picture_that_comes_again_is_told_once(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """As after a restart of the service: what was cut off goes on with what was told already."""
    monkeypatch.setattr("limner.client.tries.FIRST_PAUSE", 0)
    job = JobView.model_validate(_JOB)
    first, second = (job.images[0].model_copy(update={"index": index}) for index in (0, 2))
    withheld = WithheldView(index=1, gate="red", reason="too red")
    before: list[tuple[str, BaseModel]] = [("image", first), ("withheld", withheld)]
    answers = iter((before, [*before, ("image", second), ("succeeded", job)]))

    def service(request: httpx2.Request) -> httpx2.Response:
        said = "".join(f"event: {kind}\ndata: {view.model_dump_json()}\n\n" for kind, view in next(answers))
        return httpx2.Response(200, content=said.encode(), headers={"content-type": "text/event-stream"})

    transport = httpx2.MockTransport(service)

    async def awaited() -> list[JobEvent]:
        client = AsyncClient("http://here")
        client._http = httpx2.AsyncClient(transport=transport, base_url="http://here")
        return [event async for event in AsyncJob(client, job).events()]

    client = Client("http://here")
    client._http = httpx2.Client(transport=transport, base_url="http://here")
    told = list(Job(client, job).events()) if way == "waits" else asyncio.run(awaited())
    assert told == [ImageReady("", first), Withheld("", withheld), ImageReady("", second), Ended("", job)]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}"])
def test_what_answers_and_is_no_limner_is_said(body: bytes) -> None:
    def foreign(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body)

    async def of_all(client: AsyncClient) -> None:
        client._http = httpx2.AsyncClient(transport=httpx2.MockTransport(foreign), base_url="http://here")
        for asks in (client.status(), client.models(), client.submit("a red apple"), anext(client.jobs())):
            with pytest.raises(Unavailable, match="http://here is no Limner of this version"):
                await asks

    client = Client("http://here")
    client._http = httpx2.Client(transport=httpx2.MockTransport(foreign), base_url="http://here")
    for ask in (
        client.status,
        client.models,
        lambda: client.submit("a red apple"),
        lambda: next(client.jobs()),
    ):
        with pytest.raises(Unavailable, match="http://here is no Limner of this version"):
            ask()
    asyncio.run(of_all(AsyncClient("http://here")))
