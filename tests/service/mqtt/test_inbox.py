from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from limner.service.database import open_database
from limner.service.mqtt import Inbox
from tests.service.test_store import back_to


def test_what_a_device_asked_is_kept_until_there_is_a_job(where: Path | str) -> None:
    engine = open_database(where)
    inbox = Inbox(engine)
    inbox.take("lamp", "waits", "a red apple")
    inbox.accepted(inbox.take("lamp", "drawn", "a red apple"), "job")
    wanted = {("waits", "a red apple", None), ("drawn", "", "job")}
    assert {(kept.request, kept.asked, kept.job) for kept in inbox.untold()} == wanted

    with engine.execution_options(write=True).begin() as connection:  # as an earlier version left it
        back_to(connection, "0019")
        connection.execute(text("UPDATE device_requests SET asked = 'a red apple'"))
    engine.dispose()
    engine = open_database(where)
    assert {(kept.request, kept.asked, kept.job) for kept in Inbox(engine).untold()} == wanted
    engine.dispose()
