from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, text
from sqlalchemy.pool import QueuePool

from limner.engine.request import DrawRequest
from limner.errors import Busy, InvalidInput, NotFound, StorageDown, Unavailable
from limner.service.access import Caller
from limner.service.access.caller import EVERYBODY
from limner.service.database import data_lock, open_database
from limner.service.jobs import Image, JobStore
from limner.service.places import Promise
from limner.service.schema import Base
from limner.service.service import Service

from .fake_studio import FakeStudio

REQUEST = DrawRequest(prompt="a red apple", seed=1, steps=4)
PICTURE = Image(0, "0" * 64, 1, 64, 64, 0.5)


@pytest.fixture
def engine(where: Path | str) -> Iterator[Engine]:
    made = open_database(where)
    yield made
    made.dispose()


@pytest.fixture
def store(engine: Engine) -> JobStore:
    return JobStore(engine, limit=3)


def test_the_migrations_make_what_the_models_say(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_what_jobs_of_an_earlier_version_began_from_is_known(where: Path | str) -> None:
    engine = open_database(where)
    store = JobStore(engine)
    begun = DrawRequest(prompt="a red apple", image="a" * 64, mask="b" * 64, strength=0.5)
    plain = store.add(DrawRequest(prompt='a sign that says "image":"mask"'), 1)
    made = store.add(begun, 1)
    with engine.execution_options(write=True).begin() as connection:
        back_to(connection, "0018")
    engine.dispose()
    engine = open_database(where)
    with engine.begin() as connection:
        found = connection.execute(text("SELECT id, image, mask FROM jobs ORDER BY number")).all()
    engine.dispose()
    assert [tuple(row) for row in found] == [(plain.id, None, None), (made.id, "a" * 64, "b" * 64)]


def back_to(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "limner.service:migrations")
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


def test_only_what_may_be_undone_is_committed_before_it_is_on_the_disk(tmp_path: Path) -> None:
    engine, seen = open_database(tmp_path / "limner.db"), []
    for durable in (True, False, True, False):
        with engine.execution_options(write=True, durable=durable).begin() as connection:
            seen.append(connection.exec_driver_sql("PRAGMA synchronous").scalar())
        with engine.begin() as connection:  # a look changes nothing
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == seen[-1]
    engine.dispose()
    full, normal = 2, 1
    assert seen == [full, normal, full, normal]


def test_opening_again_keeps_the_jobs(where: Path | str, engine: Engine, store: JobStore) -> None:
    job = store.add(REQUEST, 1)
    again = open_database(where)
    assert JobStore(again).get(job.id) == job
    again.dispose()


def test_a_database_whose_connections_are_all_in_use_takes_no_call_for_now(engine: Engine) -> None:
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    pool._timeout = 0.05
    with ExitStack() as held, pytest.raises(StorageDown, match="busy"):
        while True:
            held.enter_context(engine.connect())
    with engine.connect() as free:
        assert free.execute(text("SELECT 1")).scalar() == 1


def test_an_id_with_nul_is_of_no_job(store: JobStore) -> None:
    with pytest.raises((NotFound, InvalidInput)):
        store.get("a\0b")


def test_the_database_file_writes_ahead(tmp_path: Path) -> None:
    open_database(tmp_path / "limner.db").dispose()
    assert sqlite3.connect(tmp_path / "limner.db").execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_database_of_a_newer_limner_is_left_alone(where: Path | str, engine: Engine) -> None:
    with engine.execution_options(write=True).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unavailable, match="newer Limner"):
        open_database(where)


def test_a_data_directory_has_one_service(tmp_path: Path) -> None:
    first = data_lock(tmp_path)
    with pytest.raises(Unavailable, match="--data-dir"):
        data_lock(tmp_path)
    first.close()
    data_lock(tmp_path).close()


def unusable(folder: Path) -> str:
    with pytest.raises(Unavailable) as caught:
        Service(folder, FakeStudio()).start()
    said = str(caught.value)
    assert str(folder) in said and "--data-dir" in said and "\n" not in said and "another Limner" not in said
    return said


def test_a_folder_that_takes_no_files_is_not_called_in_use(tmp_path: Path) -> None:
    (tmp_path / "service.lock").mkdir()
    assert "unable to open" in unusable(tmp_path)


def test_a_read_only_lock_is_not_called_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_lock(tmp_path).close()
    connect = sqlite3.connect

    def read_only(file: Path, **options: Any) -> sqlite3.Connection:
        made: sqlite3.Connection = connect(f"{file.as_uri()}?mode=ro", uri=True, **options)
        return made

    monkeypatch.setattr("limner.registry.holding.sqlite3.connect", read_only)
    assert "readonly" in unusable(tmp_path)


def test_a_damaged_database_is_named_and_the_folder_let_go(tmp_path: Path) -> None:
    (tmp_path / "limner.db").write_bytes(b"not a database " * 100)
    assert "not a database" in unusable(tmp_path)
    data_lock(tmp_path).close()


def test_a_folder_that_takes_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file", encoding="utf-8")
    unusable(tmp_path)


def test_jobs_are_taken_in_order_and_once(store: JobStore) -> None:
    jobs = [store.add(REQUEST, 1).id for _ in range(3)]
    taken = [
        store.take("a", 9),
        store.take("b", 9),
        store.take("a", 9),
        store.take("b", 9),
    ]
    assert [job and job.id for job in taken] == [*jobs, None]


def test_bulk_waits_behind_what_came_later_and_is_left_out_where_there_is_enough_of_it(
    store: JobStore,
) -> None:
    bulk = store.add(REQUEST, 1, priority="bulk")
    late = store.add(REQUEST, 1)
    assert (bulk.position, late.position, store.get(bulk.id).position) == (1, 1, 2)
    assert store.waiting() == [late.id, bulk.id]
    assert store.take("a", 9) == store.get(late.id)
    assert store.take("a", 9, bulk=False) is None
    taken = store.take("a", 9)
    assert taken is not None and (taken.id, taken.priority) == (bulk.id, "bulk")


def test_owners_take_turns_however_many_jobs_they_have(engine: Engine) -> None:
    store = JobStore(engine)
    ann, bob = (Caller(key=None, owner=owner, scopes=frozenset()) for owner in ("ann", "bob"))
    for caller in (ann, ann, ann, bob):
        store.add(REQUEST, 1, caller=caller)
    owners = [job.owner for _ in range(4) if (job := store.take("a", 9)) is not None]
    assert owners == ["ann", "bob", "ann", "ann"]


def test_the_queue_is_bounded(store: JobStore) -> None:
    for _ in range(3):
        store.add(REQUEST, 1)
    with pytest.raises(Busy):
        store.add(REQUEST, 1, retry_after=7)
    store.take("a", 9)
    assert store.add(REQUEST, 1).position == 3


def test_nobody_fills_the_queue_against_the_others(engine: Engine) -> None:
    store = JobStore(engine, limit=4)
    ann, bob, cem, dan, eve = (
        Caller(None, owner, frozenset()) for owner in ("ann", "bob", "cem", "dan", "eve")
    )
    for caller, room in ((ann, 4), (bob, 2), (cem, 1)):  # the first has all, who comes an equal share
        for _ in range(room):
            store.add(REQUEST, 1, caller=caller)
        with pytest.raises(Busy):
            store.add(REQUEST, 1, caller=caller)
        with pytest.raises(Busy):
            store.check_room(caller=caller)
    store.add(REQUEST, 1, caller=dan)
    with pytest.raises(Busy):  # twice the limit are waiting
        store.add(REQUEST, 1, caller=eve)


def test_bulk_leaves_a_quarter_of_the_queue_to_others(engine: Engine) -> None:
    store = JobStore(engine, limit=4)
    for _ in range(3):
        store.add(REQUEST, 1, priority="bulk")
    with pytest.raises(Busy, match="bulk"):
        store.add(REQUEST, 1, priority="bulk")
    with pytest.raises(Busy, match="bulk"):
        store.check_room(priority="bulk")
    store.add(REQUEST, 1)


def test_only_the_holder_changes_a_job(store: JobStore) -> None:
    job = store.add(REQUEST, 1)
    store.take("a", 9)
    assert not store.record("b", job.id, PICTURE)
    assert store.finish("b", job.id).state == "running"
    recorded = store.record("a", job.id, PICTURE)
    assert recorded is not None and recorded.images == (PICTURE,)
    assert store.get(job.id) == recorded == store.finish("a", job.id)


def test_the_last_picture_ends_its_job(store: JobStore) -> None:
    job = store.add(REQUEST, 2)
    store.take("a", 9)
    second, changed = replace(PICTURE, index=1), replace(PICTURE, index=1, id="1" * 64)
    states = [store.record("a", job.id, picture) for picture in (second, changed, PICTURE)]
    assert [job and job.state for job in states] == ["running", "running", "succeeded"]
    ended = store.get(job.id)
    assert ended == states[-1] and ended.images == (PICTURE, changed) and ended.finished_at is not None
    assert store.record("a", job.id, second) is None and store.get(job.id) == ended


def test_a_cancelled_job_takes_no_picture(store: JobStore) -> None:
    job = store.add(REQUEST, 1)
    store.take("a", 9)
    store.cancel(job.id)
    assert not store.record("a", job.id, PICTURE)
    assert store.finish("a", job.id).state == "cancelled"


def test_a_lease_that_ran_out_is_recovered_and_a_renewed_one_is_not(
    store: JobStore,
) -> None:
    job = store.add(REQUEST, 1)
    store.take("a", -1)
    store.renew("a", 60, [job.id])
    assert store.recover("b") == []
    store.renew("a", -1, [job.id])
    assert [job.state for job in store.recover("b")] == ["queued"]


def test_what_a_worker_holds_and_does_not_renew_is_recovered_by_itself(store: JobStore) -> None:
    job, drawn = store.add(REQUEST, 1), store.add(REQUEST, 1)
    assert [store.take("a", -1), store.take("a", -1)] == [store.get(job.id), store.get(drawn.id)]
    # Of the other it knows nothing: the commit failed when it was on the disk.
    store.renew("a", 60, [drawn.id])
    assert [(each.id, each.state) for each in store.recover("a")] == [(job.id, "queued")]


def test_with_a_promise_a_job_runs_from_the_start_where_nobody_waits(store: JobStore) -> None:
    promise = Promise(False, "a", 60)
    job = store.add(REQUEST, 1, promise=promise)
    assert promise.job == job == store.get(job.id)
    assert (job.state, job.attempts, job.position) == ("running", 1, None)
    assert job.created_at <= (job.started_at or 0) and store.held("a") == {job.id}
    store.record("a", job.id, PICTURE)
    assert store.get(job.id).state == "succeeded"


def test_with_a_promise_nobody_is_passed(store: JobStore) -> None:
    first, promise = store.add(REQUEST, 1), Promise(False, "a", 60)
    late = store.add(REQUEST, 1, promise=promise)
    assert (late.state, late.position, promise.job) == ("queued", 2, None)
    assert [store.take("a", 60), store.take("a", 60)] == [store.get(first.id), store.get(late.id)]


def test_a_job_that_is_there_already_is_not_born_again(store: JobStore) -> None:
    caller = replace(EVERYBODY, once="x")
    made, promise = store.add(REQUEST, 1, caller=caller), Promise(False, "a", 60)
    assert store.take("b", 60) is not None
    assert store.add(REQUEST, 1, caller=caller, promise=promise).id == made.id
    assert promise.job is None and store.held("a") == frozenset()


def test_the_third_error_fails_the_job(store: JobStore) -> None:
    job = store.add(REQUEST, 1)
    for _ in range(3):
        assert store.take("a", 60) is not None
        store.give_back("a", job.id, "the paint ran out")
    failed = store.get(job.id)
    assert failed.state == "failed" and "3 times" in (failed.error or "")


def test_lost_services_fail_a_job_at_the_tenth_only(store: JobStore) -> None:
    job = store.add(REQUEST, 1)
    states = []
    for worker in "abcdefghij":
        assert store.take(worker, 60) is not None
        states += [changed.state for changed in store.recover("new", lost=True)]
    assert states == ["queued"] * 9 + ["failed"]
    assert "10 times" in (store.get(job.id).error or "")


def test_services_lost_with_several_jobs_fail_none_of_them(store: JobStore) -> None:
    jobs = {store.add(REQUEST, 1).id, store.add(REQUEST, 1).id}
    for turn in range(30):
        first, second = store.take(f"a{turn}", 60), store.take(f"a{turn}", 60, alone=False)
        assert first is not None and (second is None) == (
            turn > 0
        )  # from the first loss on each is drawn alone
        if turn > 8:
            break
        store.recover("new", lost=True)
    assert {store.get(job).state for job in jobs} <= {"queued", "running"}


def test_losses_leave_all_attempts_to_errors(store: JobStore) -> None:
    job = store.add(REQUEST, 1)
    for worker in "abcd":
        store.take(worker, 60)
        store.recover("new", lost=True)
    states = []
    for _ in range(3):
        store.take("a", 60)
        states.append(store.give_back("a", job.id, "the paint ran out").state)
    assert states == ["queued", "queued", "failed"]


def test_an_engine_that_ends_in_company_makes_suspects_which_are_drawn_alone(store: JobStore) -> None:
    jobs = [store.add(REQUEST, 1).id for _ in range(3)]
    taken = [store.take("a", 60), store.take("a", 60)]
    for job in taken:
        assert job is not None
        store.lose("a", job.id, "the engine ended", alone=False)
    assert store.take("a", 60, alone=False) is None
    first = store.take("a", 60)
    assert first is not None and first.id == jobs[0] and first.suspected
    store.finish("a", jobs[0])
    assert store.take("a", 60, alone=False) is None
    assert [store.take("a", 60), store.take("a", 60, alone=False)] == [store.get(job) for job in jobs[1:]]


def test_only_losses_alone_set_a_job_aside(store: JobStore) -> None:
    job, other = store.add(REQUEST, 1).id, store.add(REQUEST, 1).id
    states = []
    for alone in (*[False] * 12, True, True, True):
        store.take("a", 60)
        states.append(store.lose("a", job, "the engine ended", alone).state)
    assert states == ["queued"] * 14 + ["failed"]
    said = store.get(job).error or ""
    assert "set aside" in said and "the engine ended" in said and "3 times" in said
    assert store.get(other).state == "queued" and not store.get(other).suspected


def test_who_ends_the_engine_from_outside_brings_no_job_under_suspicion_ten_times(store: JobStore) -> None:
    job = store.add(REQUEST, 1).id
    seen = []
    for _ in range(13):
        store.take("a", 60)
        now = store.lose("a", job, "the engine was ended", alone=True, from_outside=True)
        seen.append((now.state, now.suspected))
    assert seen == [("queued", False)] * 10 + [("queued", True)] * 2 + [("failed", True)]


def test_giving_back_without_an_error_costs_no_attempt(store: JobStore) -> None:
    job = store.add(REQUEST, 1)
    for _ in range(5):
        store.take("a", 60)
        store.give_back("a", job.id)
    assert store.get(job.id).attempts == 0


def test_a_job_that_is_not_there(store: JobStore) -> None:
    with pytest.raises(NotFound):
        store.get("none")
