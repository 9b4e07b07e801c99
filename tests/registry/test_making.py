"""What is made is there whole, or as it was before, whenever the making ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.errors import Unavailable
from limner.registry.holding import held
from limner.registry.making import check_writable, made_whole, write_whole


def make(out: Path, text: str) -> None:
    with made_whole(out) as partial:
        partial.mkdir()
        (partial / "text").write_text(text, encoding="utf-8")


def test_what_is_made_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "models" / "1"
    for text in ("one", "two"):
        make(out, text)
        assert (out / "text").read_text(encoding="utf-8") == text
        assert [path.name for path in out.parent.iterdir()] == ["1"]


@pytest.mark.parametrize("moment", ["block", "first", "second"])
def test_an_interrupted_making_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    out = tmp_path / "1"
    make(out, "before")
    usual, renamed = Path.rename, list[Path]()

    def rename(path: Path, target: Path) -> Path:
        renamed.append(path)
        if len(renamed) == {"first": 1, "second": 2}.get(moment):
            raise KeyboardInterrupt
        return usual(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt), made_whole(out) as partial:
        partial.mkdir()
        if moment == "block":
            raise KeyboardInterrupt
    assert (out / "text").read_text(encoding="utf-8") == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_two_that_make_the_same_do_not_share_a_place(tmp_path: Path) -> None:
    with made_whole(tmp_path / "1") as first, made_whole(tmp_path / "1") as second:
        for partial, text in ((first, "first"), (second, "second")):
            partial.mkdir()
            (partial / text).touch()
    assert [path.name for path in (tmp_path / "1").iterdir()] == ["first"], "the last to end"
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_file_is_there_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    write_whole(file, "ä")
    assert file.read_bytes() == "ä".encode()

    def full(path: Path, data: bytes) -> int:
        path.touch()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space"):
            write_whole(file, b"new")
    assert file.read_bytes() == "ä".encode() and list(tmp_path.iterdir()) == [file]


def test_a_folder_that_takes_no_files_is_said(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=r"file/folder' \(Not a directory\); name another"):
        check_writable(tmp_path / "file" / "folder")


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    again = pytest.raises(Unavailable, match=rf"another run works in {tmp_path}: .*--out")
    with held(tmp_path), again, held(tmp_path):
        pass
    with held(tmp_path):
        pass
    with pytest.raises(Unavailable, match="cannot be written"), held(tmp_path / "none"):
        pass
