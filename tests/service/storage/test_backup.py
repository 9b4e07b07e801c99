"""Everything destroyed and restored: every row, picture and model is there again, byte for byte."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from limner.engine.request import DrawRequest
from limner.errors import InvalidInput
from limner.service.access import KeyStore
from limner.service.app import create_app
from limner.service.database import DATABASE_NAME, connect, open_database
from limner.service.images import open_stores
from limner.service.jobs import JobStore
from limner.service.schema import JobRow
from limner.service.storage import StorageOptions, rows, sealer_of
from limner.service.storage.backup import backup
from limner.service.storage.restore import restore
from tests.service.fake_studio import FakeStudio

from .servers import Postgres
from .test_outages import ask, until

BASE = "http://127.0.0.1:8000"
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def key_file(folder: Path, text: str = KEY) -> Path:
    file = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:8]}.key"
    file.write_text(text + "\n", encoding="utf-8")
    file.chmod(0o600)
    return file


@pytest.fixture(params=["sqlite", "postgresql", "sealed"])
def options(request: pytest.FixtureRequest, tmp_path: Path) -> StorageOptions:
    if request.param == "postgresql":
        running: Postgres = request.getfixturevalue("postgres")
        return StorageOptions(database=running.database())
    return StorageOptions(key_file=key_file(tmp_path) if request.param == "sealed" else None)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    place = tmp_path / "data"
    model = place / "models" / "mine" / "1"
    model.mkdir(parents=True)
    (model / "limner.json").write_bytes(b"{}")
    (model / "weights.safetensors").write_bytes(bytes(range(256)) * 5000)
    (place / "models" / "mine" / "aliases.json").write_text('{"current": "1"}', encoding="utf-8")
    return place


@pytest.fixture
def client(data_dir: Path, options: StorageOptions) -> Iterator[TestClient]:
    app = create_app(data_dir, FakeStudio(), parallel=1, drain_seconds=0.2, storage=options)
    with TestClient(app, base_url=BASE) as made:
        yield made


def some_life(client: TestClient) -> dict[str, bytes]:
    """Jobs of several kinds, and an upload; gives what is at the addresses of all pictures."""
    first = until(client, ask(client, n=3, seed=1, attention=True)["id"], "succeeded")
    upload = client.post(
        "/v1/images",
        content=client.get(first["images"][0]["url"]).content,
        headers={"content-type": "image/png"},
    ).json()
    until(client, ask(client, seed=9, image=upload["id"])["id"], "succeeded")
    addresses = [upload["url"], *(image["url"] for image in first["images"])]
    addresses += [each["url"] for image in first["images"] for each in image["attention"]["maps"]]
    return {address: client.get(address).content for address in addresses}


def all_rows(where: Path | str) -> dict[str, list[Any]]:
    engine = connect(where)
    with engine.connect() as connection:
        found = {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in rows.tables_of(connection)
        }
    engine.dispose()
    return found


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def destroy(data_dir: Path, options: StorageOptions) -> None:
    shutil.rmtree(data_dir)
    data_dir.mkdir()
    if options.database:
        engine = connect(options.database)
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        engine.dispose()


def make(data_dir: Path, options: StorageOptions, where: Path) -> Path:
    engine = connect(options.database or data_dir / DATABASE_NAME)
    file, manifest = backup(where, engine, open_stores(options, data_dir), data_dir, sealer_of(options))
    engine.dispose()
    assert manifest.missing == []
    return file


def put_back(file: Path, data_dir: Path, options: StorageOptions, force: bool = False) -> None:
    restore(file, options.database, open_stores(options, data_dir), data_dir, sealer_of(options), force)


def test_all_is_there_again(
    client: TestClient, data_dir: Path, options: StorageOptions, tmp_path: Path
) -> None:
    pictures = some_life(client)
    history = client.get("/v1/jobs").json()
    file = make(data_dir, options, tmp_path)  # while the service runs
    client.__exit__(None, None, None)
    where = options.database or data_dir / DATABASE_NAME
    before, models = all_rows(where), files_of(data_dir / "models")
    destroy(data_dir, options)

    put_back(file, data_dir, options)
    assert all_rows(where) == before and before["jobs"] and before["images"]
    assert files_of(data_dir / "models") == models
    again = create_app(data_dir, FakeStudio(), storage=options)
    with TestClient(again, base_url=BASE) as restored:
        assert restored.get("/v1/jobs").json() == history
        assert {address: restored.get(address).content for address in pictures} == pictures
        new = until(restored, ask(restored, seed=77)["id"], "succeeded")
        assert restored.get("/v1/jobs").json()["jobs"][0]["id"] == new["id"]
    client.__enter__()  # for its fixture to leave


def test_a_service_that_draws_is_backed_up_at_one_moment(
    data_dir: Path, tmp_path: Path, options: StorageOptions
) -> None:
    studio = FakeStudio()
    app = create_app(data_dir, studio, parallel=2, drain_seconds=5, storage=options, queue_limit=1000)
    with TestClient(app, base_url=BASE) as client:
        jobs = [ask(client, seed=seed, n=2)["id"] for seed in range(0, 24, 2)]
        until(client, jobs[3], "succeeded")
        file = make(data_dir, options, tmp_path)
        until(client, jobs[-1], "succeeded")
    destroy(data_dir, options)
    put_back(file, data_dir, options)
    with TestClient(create_app(data_dir, FakeStudio(), storage=options), base_url=BASE) as client:
        for job in jobs:
            for _ in range(3000):
                answer = client.get(f"/v1/jobs/{job}")
                if answer.status_code == 404 or answer.json()["state"] == "succeeded":
                    break
                time.sleep(0.02)
            if answer.status_code == 200:
                assert [client.get(image["url"]).status_code for image in answer.json()["images"]] == [
                    200,
                    200,
                ]
        assert client.get(f"/v1/jobs/{jobs[3]}").json()["attempts"] == 1


def test_nothing_is_put_over_data_unasked(
    client: TestClient, data_dir: Path, options: StorageOptions, tmp_path: Path
) -> None:
    some_life(client)
    file = make(data_dir, options, tmp_path)
    client.__exit__(None, None, None)
    where = options.database or data_dir / DATABASE_NAME
    before = all_rows(where)
    with pytest.raises(InvalidInput, match="--force"):
        put_back(file, data_dir, options)
    assert all_rows(where) == before
    put_back(file, data_dir, options, force=True)
    assert all_rows(where) == before
    client.__enter__()


@pytest.mark.parametrize("sealed", [False, True])
def test_a_byte_that_was_changed_is_found(data_dir: Path, tmp_path: Path, sealed: bool) -> None:
    options = StorageOptions(key_file=key_file(tmp_path) if sealed else None)
    with TestClient(create_app(data_dir, FakeStudio(), storage=options), base_url=BASE):
        file = make(data_dir, options, tmp_path)
    whole = file.read_bytes()
    weights = whole.find(bytes(range(256))) if not sealed else len(whole) // 2
    for place in (weights + 999, len(whole) // 3, 9):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InvalidInput):
            put_back(file, tmp_path / "new", options)
    for end in (len(whole) // 2, len(whole) - 20_000, 100):
        file.write_bytes(whole[:end])
        with pytest.raises(InvalidInput):
            put_back(file, tmp_path / "new", options)
    assert not (tmp_path / "new" / DATABASE_NAME).exists() and not (tmp_path / "new" / "models").exists()


def test_a_wrong_key_opens_nothing(data_dir: Path, tmp_path: Path) -> None:
    options = StorageOptions(key_file=key_file(tmp_path))
    with TestClient(create_app(data_dir, FakeStudio(), storage=options), base_url=BASE) as client:
        image = until(client, ask(client)["id"], "succeeded")["images"][0]["url"]
        png = client.get(image).content
        file = make(data_dir, options, tmp_path)
    assert png.startswith(b"\x89PNG")
    kept = [p.read_bytes() for p in (data_dir / "images").rglob("*.png")]
    assert kept and all(b"PNG" not in data and b"a red apple" not in data for data in kept)
    assert b"a red apple" not in file.read_bytes()

    other = StorageOptions(key_file=key_file(tmp_path, "/" * 42 + "8="))
    for wrong in (other, StorageOptions()):
        with pytest.raises(InvalidInput, match="key"):
            put_back(file, tmp_path / "new", wrong)
        with TestClient(create_app(data_dir, FakeStudio(), storage=wrong), base_url=BASE) as client:
            answer = client.get(image)
            assert answer.status_code == 503 and "key" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (KEY[:-8], 0o600, "32 bytes"),
        ("ü", 0o600, "32 bytes"),
        (KEY, 0o644, "chmod 600"),
        (None, 0, "cannot be read"),
    ],
)
def test_a_key_file_that_cannot_be_used(tmp_path: Path, text: str | None, mode: int, said: str) -> None:
    file = tmp_path / "key"
    if text is not None:
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
    with pytest.raises(InvalidInput, match=said):
        sealer_of(StorageOptions(key_file=file))


@pytest.mark.parametrize("to_server", [True, False])
def test_all_rows_move_between_a_file_and_a_server(
    data_dir: Path, postgres: Postgres, tmp_path: Path, to_server: bool
) -> None:
    server = StorageOptions(database=postgres.database())
    here, there = (StorageOptions(), server) if to_server else (server, StorageOptions())
    new = tmp_path / "new"
    with TestClient(create_app(data_dir, FakeStudio(), storage=here), base_url=BASE) as client:
        asked = {"prompt": "a red apple", "n": 2, "seed": 1}
        once = client.post("/v1/jobs", json=asked, headers={"Idempotency-Key": "only-once"}).json()
        first, second = (image["id"] for image in until(client, once["id"], "succeeded")["images"])
        client.post("/v1/pins", json={"image": first}).raise_for_status()
        client.post("/v1/feedback", json={"image": first, "over": second}).raise_for_status()
    source, target = here.database or data_dir / DATABASE_NAME, there.database or new / DATABASE_NAME
    engine = open_database(source)
    KeyStore(engine).create("phone", ["draw"], quota=5000)
    engine.dispose()
    put_back(make(data_dir, here, tmp_path), new, there)

    moved = all_rows(target)
    assert moved == all_rows(source)
    assert {name for name, found in moved.items() if found} >= {
        "jobs", "images", "holdings", "once", "pins", "feedback", "keys",
    }  # fmt: skip
    engine = open_database(target)
    added = JobStore(engine).add(DrawRequest(prompt="a green pear", seed=2, steps=4), 1).id
    with Session(engine) as session:
        assert list(session.scalars(select(JobRow.id).order_by(JobRow.number))) == [once["id"], added]
    engine.dispose()
    assert (new / "models" / "mine" / "1" / "limner.json").read_bytes() == b"{}"


def test_what_is_no_backup(tmp_path: Path) -> None:
    for data in (b"", b"something else", bytes(10_000)):
        (tmp_path / "file").write_bytes(data)
        with pytest.raises(InvalidInput, match="backup"):
            put_back(tmp_path / "file", tmp_path / "new", StorageOptions())
