"""Of several services with one database one works for the devices of a broker."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from limner.service.database import open_database
from limner.service.mqtt.broker import Broker
from limner.service.mqtt.turn import Turn
from tests.service.fake_studio import FakeStudio
from tests.service.storage.servers import Postgres

from .mosquitto import Mosquitto
from .test_bridge import device, run, serving

WAITS = "another service works for the devices; this one waits for its turn"


def test_of_two_services_one_works_for_devices_until_it_ends(
    tmp_path: Path,
    broker: Mosquitto,
    address: Broker,
    trust: ssl.SSLContext,
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("limner.service.mqtt.bridge.WAIT", 0.2)
    database = postgres.database()

    async def go() -> None:
        async with AsyncExitStack() as others, device(broker, trust) as lamp:
            first = serving(tmp_path / "one", FakeStudio(), address, database=database)
            await first.__aenter__()
            await others.enter_async_context(
                serving(tmp_path / "two", FakeStudio(), address, ready=False, database=database)
            )
            await asyncio.sleep(1)
            assert [record.message for record in caplog.records].count(WAITS) == 1
            await lamp.ask(id="both")
            await lamp.until("succeeded")
            await lamp.ask(id="next")
            await lamp.until("accepted")
            assert [event["event"] for event in lamp.events].count("accepted") == 2
            await first.__aexit__(None, None, None)
            await lamp.ask(id="afterwards")
            ended = {(await lamp.until("succeeded"))["request"] for _ in range(2)}
            assert ended == {"next", "afterwards"}

    run(go)


def test_a_service_whose_lock_is_gone_lets_another_work(postgres: Postgres) -> None:
    engine = open_database(postgres.database())
    one, two, other = (Turn(engine, devices) for devices in ("broker", "broker", "other"))
    assert one.client() == two.client() != other.client()
    assert one.take() and one.take() and not two.take() and other.take()
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        connection.exec_driver_sql(others)
    assert not one.take() and two.take() and not one.take()
    two.give_back()
    assert one.take()
    for turn in (one, other):
        turn.give_back(for_good=True)
    assert not one.take() and two.take()
    two.give_back()
    engine.dispose()
