from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from rich.console import Console
from typer.testing import CliRunner

from limner.answers import LastMinute, MemoryNow, Mishap, ModelNow, QueueNow, RunningNow, Status
from limner.cli.app import app
from limner.cli.top_frame import History, frame
from limner.client import Client
from limner.errors import Unavailable
from limner.service.access import KeyStore
from limner.service.app import create_app
from limner.service.database import open_database

from ..service.fake_studio import FakeStudio
from ..service.running import running

MINUTE = LastMinute(
    requests=120, refused=2, failures=0, pictures=42, steps=840, calls=100, rows_per_call=5.2,
    pictures_per_call=2.6, texts=84, texts_kept=42,
)  # fmt: skip
STATUS = Status(
    version="0.1.0",
    up_seconds=7980,
    ready={"database": "ok", "model": "ok"},
    queue=QueueNow(waiting=3, limit=64, oldest_seconds=2.1, running=1),
    running=[
        RunningNow(
            id="5d1c0ab34f7e", model="storybook@2", width=128, height=128, step=12, steps=20, done=1, n=4,
            seconds=1.25, attempts=2,
        )
    ],
    last_minute=MINUTE,
    memory=MemoryNow(service=412_000_000, engine=1_100_000_000, data_free=77_000_000_000),
    models=[ModelNow(name="storybook", version="2", family="diffusion", served=True, loaded=True)],
    mishaps=[Mishap(at=datetime.now(UTC), what="failed: the paint ran out", job="aaaabbbbcccc")],
)  # fmt: skip


def shown(*seen: Status, lost: str | None = None, width: int = 120) -> str:
    """A frame as text."""
    history = History()
    for status in seen:
        history.add(status)
    if lost is not None:
        history.lost(lost)
    console = Console(file=io.StringIO(), width=width)
    console.print(frame(history, "http://there"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def changed(**changes: Any) -> Status:
    return STATUS.model_copy(update=changes)


def test_a_frame_tells_what_an_operator_asks() -> None:
    text = shown(STATUS)
    for told in (
        "http://there", "up 2 h 13 min", "● database", "0.70/s", "14.0/s", "5.2", "3 of 64", "2.1 s", "412 MB",
        "1.1 GB", "77 GB", "50% of 84", "5d1c0ab3", "128x128", "12/20", "1/4", "● storybook@2", "aaaabbbb",
        "the paint ran out",
    ):  # fmt: skip
        assert told in text, told


def test_progress_reads_without_colours() -> None:
    assert "━" * 12 + "─" * 8 + "   12/20" in shown(STATUS)


def test_throughput_is_drawn_over_time() -> None:
    pictures = [changed(last_minute=MINUTE.model_copy(update={"pictures": count})) for count in (0, 7, 14)]
    assert "▁▅█" in shown(*pictures) or "▁▄█" in shown(*pictures)


def test_what_does_not_work_says_so() -> None:
    text = shown(changed(ready={"model": "loading"}, queue=None))
    assert "● model: loading" in text and "the database is silent" in text


def test_a_service_at_rest_has_an_empty_frame_and_not_a_broken_one() -> None:
    quiet = changed(
        running=[], mishaps=[], last_minute=LastMinute(**dict.fromkeys(LastMinute.model_fields, 0))
    )
    text = shown(quiet)
    assert "nothing is being drawn" in text and "nothing went wrong" in text


def test_a_service_that_went_away_keeps_its_last_frame() -> None:
    text = shown(STATUS, lost="connection refused")
    assert "no answer since" in text and "connection refused" in text and "12/20" in text


def test_many_jobs_do_not_push_the_rest_off_the_screen() -> None:
    text = shown(changed(running=STATUS.running * 20))
    assert "and 8 more" in text and len(text.splitlines()) < 34


@pytest.mark.parametrize("width", [80, 100, 200])
def test_a_frame_fits_the_terminal(width: int) -> None:
    assert max(map(len, shown(STATUS, width=width).splitlines())) <= width


def test_once_prints_one_frame_of_a_real_service(tmp_path: Path) -> None:
    with running(create_app(tmp_path, FakeStudio())) as url:
        result = CliRunner().invoke(app, ["top", "--once", "--url", url], env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    assert url in result.output and "0 of 64" in result.output and "storybook@1" in result.output


def test_without_a_service_there_is_one_line() -> None:
    result = CliRunner().invoke(app, ["top", "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 2
    assert result.stderr.startswith("limner: no answer from http://127.0.0.1:9")
    assert len(result.stderr.splitlines()) == 1


def test_a_service_with_keys_wants_an_admins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIMNER_API_KEY", raising=False)
    with running(create_app(tmp_path, FakeStudio())) as url:
        assert CliRunner().invoke(app, ["top", "--once", "--url", url]).exit_code == 0
        keys = KeyStore(open_database(tmp_path / "limner.db"))
        secrets = {scope: keys.create(scope, [scope])[1] for scope in ("read", "admin")}
        for env in ({}, {"LIMNER_API_KEY": secrets["read"]}):
            result = CliRunner().invoke(app, ["top", "--once", "--url", url], env=env)
            assert result.exit_code == 2 and "scope admin into LIMNER_API_KEY" in result.stderr
        env = {"LIMNER_API_KEY": secrets["admin"]}
        assert CliRunner().invoke(app, ["top", "--once", "--url", url], env=env).exit_code == 0


def test_live_goes_on_when_the_service_is_away_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    away = Unavailable("no answer from there")
    answers: list[Status | BaseException] = [STATUS, away, STATUS, KeyboardInterrupt()]
    losses: list[str] = []

    def answer(self: Client) -> Status:
        found = answers.pop(0)
        if isinstance(found, Status):
            return found
        raise found

    monkeypatch.setattr(Client, "status", answer)
    monkeypatch.setattr("limner.cli.top.time.sleep", lambda seconds: None)
    monkeypatch.setattr(History, "lost", lambda self, why: losses.append(why))
    result = CliRunner().invoke(app, ["top"], env={"TERM": "xterm", "TTY_COMPATIBLE": "1"})
    assert result.exit_code == 130 and losses == ["no answer from there"] and answers == []


@pytest.mark.parametrize("env", [{"TTY_COMPATIBLE": "0"}, {"TTY_COMPATIBLE": "1", "TERM": "dumb"}])
def test_where_nothing_can_be_drawn_over_there_is_one_frame(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [STATUS]
    monkeypatch.setattr(Client, "status", lambda self: answers.pop())
    result = CliRunner().invoke(app, ["top"], env={"COLUMNS": "120", **env})
    assert result.exit_code == 0 and "up 2 h 13 min" in result.output


def test_what_is_no_limner_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "_send", lambda self, call: httpx2.Response(200, text="<html>"))
    result = CliRunner().invoke(app, ["top", "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 2
    assert result.stderr.startswith("limner: what answers at http://127.0.0.1:9 is no Limner of this version")
    assert len(result.stderr.splitlines()) == 1
