"""What a restore refuses, and that it then leaves nothing behind; what a backup passes over."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from limner.errors import InvalidInput, Unavailable
from limner.service.database import DATABASE_NAME, connect, open_database
from limner.service.images import open_stores
from limner.service.storage import StorageOptions, sealer_of
from limner.service.storage.archive import MANIFEST, Manifest, reading, verified, writing
from limner.service.storage.backup import backup
from limner.service.storage.rows import others

from .servers import Postgres, free_port
from .test_backup import all_rows, files_of, key_file, put_back
from .test_marks import shown

Change = Callable[[str, bytes], tuple[str, bytes]]


@pytest.fixture(params=["sqlite", "postgresql"])
def options(request: pytest.FixtureRequest) -> StorageOptions:
    if request.param == "postgresql":
        running: Postgres = request.getfixturevalue("postgres")
        return StorageOptions(database=running.database())
    return StorageOptions()


def lived_in(data_dir: Path, options: StorageOptions) -> list[str]:
    """Two jobs that are done and a model; gives their pictures."""
    model = data_dir / "models" / "mine" / "1"
    model.mkdir(parents=True)
    (model / "limner.json").write_bytes(b"{}")
    engine = open_database(options.database or data_dir / DATABASE_NAME)
    images = open_stores(options, data_dir)["images"]
    made = [shown(engine, images, png) for png in (b"one", b"two")]
    engine.dispose()
    return made


def backed_up(data_dir: Path, options: StorageOptions, where: Path) -> tuple[Path, Manifest]:
    engine = open_database(options.database or data_dir / DATABASE_NAME)
    try:
        return backup(where, engine, open_stores(options, data_dir), data_dir, sealer_of(options))
    finally:
        engine.dispose()


def rewritten(file: Path, change: Change, rows: dict[str, int] | None = None) -> Path:
    """An archive with other entries, or other numbers of rows, that is whole by its hashes."""
    manifest, new = verified(file), file.with_name("rewritten.limner")
    with writing(new) as writer:
        for name, data in reading(file):
            if name != MANIFEST:
                name, content = change(name, data.read())
                writer.add(name, io.BytesIO(content), len(content))
        update = {"entries": writer.entries, "rows": manifest.rows | (rows or {})}
        writer.finish(manifest.model_copy(update=update))
    return new


def unchanged(name: str, content: bytes) -> tuple[str, bytes]:
    return name, content


def outside(name: str, content: bytes) -> tuple[str, bytes]:
    return name.replace("models/mine/1", "models/../.."), content


def with_another_column(name: str, content: bytes) -> tuple[str, bytes]:
    if name != "database/keys.jsonl":
        return name, content
    columns, _, rest = content.partition(b"\n")
    return name, json.dumps([*json.loads(columns), "shoe_size"]).encode() + b"\n" + rest


@pytest.mark.parametrize(
    ("change", "rows", "said"),
    [
        (outside, {}, "outside of its place"),
        (with_another_column, {}, "keys has a column 'shoe_size' that is not known here"),
        (unchanged, {"jobs": 3}, "2 of 3 rows of jobs could be restored; nothing was changed"),
    ],
)
def test_what_does_not_fit_leaves_nothing_behind(
    tmp_path: Path, change: Change, rows: dict[str, int], said: str
) -> None:
    options, new = StorageOptions(), tmp_path / "place" / "new"
    lived_in(tmp_path / "data", options)
    file, _ = backed_up(tmp_path / "data", options, tmp_path)
    new.mkdir(parents=True)
    with pytest.raises(InvalidInput, match=said):
        put_back(rewritten(file, change, rows), new, options)
    assert files_of(tmp_path / "place") == {}
    put_back(file, new, options)
    assert all_rows(new / DATABASE_NAME) == all_rows(tmp_path / "data" / DATABASE_NAME)


def test_what_does_not_fit_changes_nothing_of_what_is_there(tmp_path: Path, options: StorageOptions) -> None:
    data_dir, where = tmp_path / "data", options.database or tmp_path / "data" / DATABASE_NAME
    lived_in(data_dir, options)
    file, manifest = backed_up(data_dir, options, tmp_path)
    before, models, images = all_rows(where), files_of(data_dir / "models"), files_of(data_dir / "images")
    with pytest.raises(InvalidInput, match="nothing was changed"):
        put_back(rewritten(file, unchanged, {"images": 9}), data_dir, options, force=True)
    assert all_rows(where) == before and manifest.rows["images"] == len(before["images"]) == 2
    assert files_of(data_dir / "models") == models and files_of(data_dir / "images") == images
    assert not list(data_dir.glob("*.restoring*"))


def test_a_database_that_cannot_be_read_is_replaced_when_asked(tmp_path: Path) -> None:
    options, new = StorageOptions(), tmp_path / "new"
    lived_in(tmp_path / "data", options)
    file, _ = backed_up(tmp_path / "data", options, tmp_path)
    new.mkdir()
    (new / DATABASE_NAME).write_bytes(b"no database at all" * 1000)
    with pytest.raises(InvalidInput, match=r"cannot be read where the backup is to go.*--force"):
        put_back(file, new, options)
    put_back(file, new, options, force=True)
    assert all_rows(new / DATABASE_NAME) == all_rows(tmp_path / "data" / DATABASE_NAME)


@pytest.mark.parametrize("force", [False, True])
def test_a_database_that_is_down_is_named(tmp_path: Path, force: bool) -> None:
    lived_in(tmp_path / "data", StorageOptions())
    file, _ = backed_up(tmp_path / "data", StorageOptions(), tmp_path)
    away = StorageOptions(database=f"postgresql://limner:secret@127.0.0.1:{free_port()}/limner")
    with pytest.raises(Unavailable, match="--database") as told:
        put_back(file, tmp_path / "new", away, force)
    assert "127.0.0.1" in str(told.value) and "secret" not in str(told.value)


def test_tables_of_others_are_neither_taken_nor_touched(tmp_path: Path, postgres: Postgres) -> None:
    options = StorageOptions(database=postgres.database())
    assert options.database is not None
    lived_in(tmp_path / "data", options)
    engine = connect(options.database)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE visitors (name TEXT, at TIMESTAMP WITH TIME ZONE)"))
        connection.execute(text("INSERT INTO visitors VALUES ('a guest', now())"))
    file, manifest = backed_up(tmp_path / "data", options, tmp_path)
    assert "visitors" not in manifest.rows and manifest.rows["jobs"] == 2
    put_back(file, tmp_path / "data", options, force=True)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM visitors")).scalars().all() == ["a guest"]
    engine.dispose()


def test_tables_of_others_in_an_archive_are_passed_over(tmp_path: Path) -> None:
    options = StorageOptions()
    lived_in(tmp_path / "data", options)
    file, _ = backed_up(tmp_path / "data", options, tmp_path)

    def renamed(name: str, content: bytes) -> tuple[str, bytes]:
        return name.replace("database/usage", "database/visitors"), content

    put_back(rewritten(file, renamed, {"visitors": 0}), tmp_path / "new", options)
    assert all_rows(tmp_path / "new" / DATABASE_NAME) == all_rows(tmp_path / "data" / DATABASE_NAME)
    assert others(["visitors", "jobs", "alembic_version"]) == ["visitors"]


def test_models_that_are_reached_by_links_are_backed_up(tmp_path: Path) -> None:
    options, data_dir, elsewhere = StorageOptions(), tmp_path / "data", tmp_path / "elsewhere"
    lived_in(data_dir, options)
    (elsewhere / "unet").mkdir(parents=True)
    (elsewhere / "unet" / "weights.safetensors").write_bytes(b"weights")
    (elsewhere / "limner.json").symlink_to(data_dir / "models" / "mine" / "1" / "limner.json")
    (elsewhere / "unet" / "up").symlink_to(elsewhere)
    (data_dir / "models" / "linked").mkdir()
    (data_dir / "models" / "linked" / "1").symlink_to(elsewhere)
    file, _ = backed_up(data_dir, options, tmp_path)
    put_back(file, tmp_path / "new", options)
    assert files_of(tmp_path / "new" / "models") == {
        "mine/1/limner.json": b"{}",
        "linked/1/limner.json": b"{}",
        "linked/1/unet/weights.safetensors": b"weights",
    }
    for name in (DATABASE_NAME, "models/mine/1/limner.json"):
        (data_dir / name).unlink()
    for png in (data_dir / "images").glob("??/*.png"):
        png.unlink()
    with pytest.raises(InvalidInput, match="there are models"):
        put_back(file, data_dir, options)


@pytest.mark.parametrize("sealed", [False, True])
def test_a_damaged_picture_is_named_and_the_rest_backed_up(tmp_path: Path, sealed: bool) -> None:
    options = StorageOptions(key_file=key_file(tmp_path) if sealed else None)
    whole, damaged = lived_in(tmp_path / "data", options)
    (place,) = (tmp_path / "data" / "images").glob(f"??/{damaged}.png")
    os.truncate(place, place.stat().st_size - 1)
    file, manifest = backed_up(tmp_path / "data", options, tmp_path)
    assert manifest.damaged == [damaged] and manifest.missing == []
    put_back(file, tmp_path / "new", options)
    assert open_stores(options, tmp_path / "new")["images"].get(whole)
    assert all_rows(tmp_path / "new" / DATABASE_NAME) == all_rows(tmp_path / "data" / DATABASE_NAME)


@pytest.mark.parametrize("sealed", [False, True])
def test_damaged_pictures_are_whole_again(tmp_path: Path, sealed: bool) -> None:
    options = StorageOptions(key_file=key_file(tmp_path) if sealed else None)
    emptied, changed = lived_in(tmp_path / "data", options)
    file, _ = backed_up(tmp_path / "data", options, tmp_path)
    for image, kept in ((emptied, 0), (changed, -1)):
        (place,) = (tmp_path / "data" / "images").glob(f"??/{image}.png")
        place.write_bytes(place.read_bytes()[:kept] + b"!" * -kept)
    put_back(file, tmp_path / "data", options, force=True)
    images = open_stores(options, tmp_path / "data")["images"]
    assert images.get(emptied) == b"one" and images.get(changed) == b"two"


def test_a_key_that_opens_no_picture_makes_no_backup(tmp_path: Path) -> None:
    lived_in(tmp_path / "data", StorageOptions(key_file=key_file(tmp_path)))
    other = StorageOptions(key_file=key_file(tmp_path, "/" * 42 + "8="))
    with pytest.raises(InvalidInput, match="no picture can be opened"):
        backed_up(tmp_path / "data", other, tmp_path)
    with pytest.raises(Unavailable, match="--encryption-key-file"):
        backed_up(tmp_path / "data", StorageOptions(), tmp_path)
    assert not list(tmp_path.glob("*.limner"))
