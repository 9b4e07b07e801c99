"""What a database answers that does not work as it should."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from limner.engine.request import DrawRequest
from limner.errors import StorageDown, Unavailable
from limner.service.database import connect, open_database, usable
from limner.service.jobs import JobStore

from .storage.servers import Postgres

REQUEST = DrawRequest(prompt="a red apple", seed=1, steps=4)


def test_a_server_whose_machine_says_nothing_is_given_up_within_ten_seconds(postgres: Postgres) -> None:
    engine = open_database(postgres.database())
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        set_to = driver.info.get_parameters()
    engine.dispose()
    idle, every, probes = (int(set_to[f"keepalives_{name}"]) for name in ("idle", "interval", "count"))
    assert idle + every * probes <= 10
    assert 0 < int(set_to["tcp_user_timeout"]) <= 10_000


def test_a_user_that_may_make_no_tables_is_told_so(postgres: Postgres, tmp_path: Path) -> None:
    database = postgres.database()
    engine = connect(database)
    with engine.begin() as connection:
        connection.exec_driver_sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        connection.exec_driver_sql("CREATE ROLE visitor LOGIN PASSWORD 'visitor'")
    engine.dispose()
    visitors = make_url(database).set(username="visitor", password="visitor")
    with pytest.raises(Unavailable, match="let its user create") as caught, usable(tmp_path):
        open_database(visitors.render_as_string(hide_password=False))
    assert "--data-dir" not in str(caught.value) and "visitor:visitor" not in str(caught.value)


def test_a_standby_takes_no_call_until_the_primary_is_reached(postgres: Postgres) -> None:
    engine = open_database(postgres.database())
    store = JobStore(engine)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("SET default_transaction_read_only = on")  # of this connection alone
    with pytest.raises(StorageDown, match="read-only"):
        store.add(REQUEST, 1)
    assert store.add(REQUEST, 1).state == "queued"
    engine.dispose()


def test_a_damaged_page_is_told_in_one_line(tmp_path: Path, new_database: Path) -> None:
    file = Path(shutil.copy(new_database, tmp_path))
    engine = connect(file)
    with engine.connect() as connection:
        find = "SELECT rootpage FROM sqlite_master WHERE name = 'jobs'"
        page = connection.exec_driver_sql(find).scalar_one()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    engine.dispose()
    with file.open("r+b") as raw:
        raw.seek((page - 1) * size)
        raw.write(b"\xff" * size)
    engine = open_database(file)
    with engine.connect() as connection, pytest.raises(StorageDown, match="restore it from a backup"):
        connection.exec_driver_sql("SELECT * FROM jobs").all()
    engine.dispose()
