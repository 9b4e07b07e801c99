"""Two services over one PostgreSQL: what is counted and made once is so in both together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from sqlalchemy import Engine

from limner.engine.request import DrawRequest
from limner.errors import InvalidInput, OverLimit
from limner.service.access import KeyStore
from limner.service.access.caller import Caller
from limner.service.access.once import OnceStore
from limner.service.access.quotas import used_today
from limner.service.access.sessions import Sessions
from limner.service.database import open_database
from limner.service.forgetting import forget
from limner.service.jobs import JobStore

from ..storage.servers import Postgres

UNIT = DrawRequest(prompt="a cat", width=1000, height=1000, steps=1, seed=1)
T = TypeVar("T")


@pytest.fixture
def engines(postgres: Postgres) -> Iterator[list[Engine]]:
    """Of two services over one new database."""
    url = postgres.database()
    made = [open_database(url) for _ in range(2)]
    yield made
    for engine in made:
        engine.dispose()


def at_once(engines: list[Engine], count: int, act: Callable[[Engine], T]) -> list[T]:
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda k: act(engines[k % 2]), range(count)))


def test_a_quota_holds_over_both(engines: list[Engine]) -> None:
    caller = Caller("k", "k", frozenset({"draw"}), "app", quota=5)

    def ask(engine: Engine) -> str:
        try:
            return JobStore(engine).add(UNIT, 1, caller=caller).id
        except OverLimit:
            return ""

    made = [job for job in at_once(engines, 12, ask) if job]
    assert len(set(made)) == 5 and used_today(engines[0]) == {"k": 5.0}
    at_once(engines, 5, lambda engine: JobStore(engine).cancel(made[0]))
    assert used_today(engines[1]) == {"k": 4.0}


def test_one_key_of_a_name_is_made(engines: list[Engine]) -> None:
    def create(engine: Engine) -> bool:
        try:
            return bool(KeyStore(engine).create("app"))
        except InvalidInput:
            return False

    assert sum(at_once(engines, 6, create)) == 1
    (key,) = KeyStore(engines[1]).all()
    cookie = Sessions(engines[0]).begin(key)
    assert Sessions(engines[1]).key(cookie) == key.id
    KeyStore(engines[1]).rotate("app")
    assert Sessions(engines[0]).key(cookie) is None


def test_a_request_that_reaches_both_makes_one_job(engines: list[Engine]) -> None:
    stores = {id(engine): OnceStore(engine) for engine in engines}

    def send(engine: Engine) -> str:
        noted = stores[id(engine)].begin("o", "k1", "f")
        if not noted.once:
            return ""
        return JobStore(engine).add(UNIT, 1, caller=Caller("k", "o", frozenset({"draw"}), once=noted.once)).id

    made = {job for job in at_once(engines, 6, send) if job}
    assert len(made) == 1
    forget(engines[0], made.pop(), lambda _image: None)
    assert JobStore(engines[1]).page(9) == []
