from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from limner.errors import Damaged, InvalidInput, NotFound, StorageDown
from limner.service.images import ImageStore
from limner.service.storage import Blobs, FolderBlobs, StorageOptions, blobs_at, room

from .servers import ObjectStore


@pytest.fixture(params=["folder", "objects"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    if request.param == "folder":
        return blobs_at(None, "images", tmp_path)
    running: ObjectStore = request.getfixturevalue("objects")
    for name, value in running.variables().items():
        monkeypatch.setenv(name, value)
    return blobs_at(running.url(tmp_path.name), "images", tmp_path)


def test_pictures_are_kept_by_content(blobs: Blobs) -> None:
    images = ImageStore(blobs)
    one = images.put(b"one")
    assert images.put(b"one") == one != images.put(b"two")
    assert images.get(one) == b"one" and images.has(one)
    size, pieces = images.pieces(one)
    assert (size, b"".join(pieces)) == (3, b"one")
    assert sorted((each.size, each.name == one) for each in images.list()) == [(3, False), (3, True)]


def test_a_large_picture_comes_in_pieces(blobs: Blobs) -> None:
    images = ImageStore(blobs)
    large = os.urandom(3 * 2**20 + 1)
    size, pieces = images.pieces(images.put(large))
    found = list(pieces)
    assert size == len(large) and b"".join(found) == large and len(found) > 1


@pytest.mark.parametrize("name", ["0" * 64, "../../limner.db", "x", ""])
def test_a_picture_that_is_not_there(blobs: Blobs, name: str) -> None:
    images = ImageStore(blobs)
    assert not images.has(name) and not images.delete(name)
    with pytest.raises(NotFound):
        images.get(name)
    with pytest.raises(NotFound):
        images.pieces(name)


def test_a_picture_that_was_put_again_counts_as_new(blobs: Blobs) -> None:
    images = ImageStore(blobs)
    one = images.put(b"one")
    (kept,) = images.list()
    while time.time() < kept.since + 1.1:  # an object store's clock has whole seconds
        time.sleep(0.05)
    images.put(b"one")
    assert not images.delete(one, before=kept.since + 1)
    assert images.delete(one, before=time.time() + 60) and not images.has(one)


def test_marks_of_a_store_are_no_pictures(blobs: Blobs) -> None:
    images = ImageStore(blobs)
    one = images.put(b"one")
    assert images.owners() == set()
    assert images.owners(claim="a" * 32) == {"a" * 32}
    assert images.owners(claim="b" * 32) == images.owners(claim="a" * 32) == {"a" * 32, "b" * 32}
    assert [each.name for each in images.list()] == [one]


def test_the_oldest_go_where_there_is_a_limit(blobs: Blobs) -> None:
    images = ImageStore(blobs, most=10)
    names = []
    for data in (b"first", b"other", b"newer"):
        names.append(images.put(data))
        (newest,) = [each for each in images.list() if each.name == names[-1]]
        while time.time() < newest.since + 1.1:
            time.sleep(0.05)
    assert [images.has(name) for name in names] == [False, True, True]


def test_unfinished_files_go_when_they_are_nobodys(tmp_path: Path) -> None:
    FolderBlobs(tmp_path)
    left, fresh = tmp_path / "unfinished" / "left", tmp_path / "unfinished" / "fresh"
    for file in (left, fresh):
        file.write_bytes(b"half")
    os.utime(left, (0, 0))
    FolderBlobs(tmp_path)
    assert list((tmp_path / "unfinished").iterdir()) == [fresh]


def test_an_interrupted_write_leaves_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = ImageStore(tmp_path)

    def broken(_handle: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(StorageDown, match="disk full"):
        images.put(b"one")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_the_fullest_disk_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = {tmp_path / "data": 7, tmp_path / "pictures": 5}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=left[folder]))
    assert room(StorageOptions(), tmp_path / "data") == 7
    assert room(StorageOptions(images="s3://bucket/pictures"), tmp_path / "data") == 7
    assert room(StorageOptions(images=str(tmp_path / "pictures")), tmp_path / "data") == 5


def test_a_flipped_byte_is_no_picture_until_it_is_put_again(tmp_path: Path) -> None:
    images = ImageStore(tmp_path)
    one = images.put(b"one")
    (file,) = tmp_path.glob("??/*.png")
    file.write_bytes(b"two")
    with pytest.raises(Damaged, match="damaged"):
        images.get(one)
    images.put(b"one")
    assert images.get(one) == b"one"


def test_a_wrong_secret_is_refused(
    objects: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", objects.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not the secret")
    with pytest.raises(StorageDown):
        ImageStore(blobs_at(objects.url("x"), "images", tmp_path)).put(b"one")


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("ftp://there/x", "ftp://"),
        ("s3://", "s3://bucket/prefix"),
        ("s3://key:secret@bucket/x", "AWS_ACCESS_KEY_ID"),
        ("s3://bucket/x?secret=1", "secret"),
        ("s3://bucket/x?endpoint=there", "https://"),
    ],
)
def test_an_address_that_means_nothing(address: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=named):
        blobs_at(address, "images", tmp_path)
