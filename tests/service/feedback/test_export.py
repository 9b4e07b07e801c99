"""Feedback on its way to training: a captioned set like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from limner.cli.app import app
from limner.data import check_set, read_set

from ..access.conftest import drawn
from .test_feedback import say


def exported(data_dir: Path, folder: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["feedback", "export", str(folder), "--data-dir", str(data_dir), *options])
    assert done.exit_code == 0, done.output
    return done.output


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


@pytest.fixture
def images(client: TestClient) -> list[str]:
    return [image["id"] for image in drawn(client, seed=60, n=4)["images"]]


def test_what_was_liked_and_mended_is_a_captioned_set(
    client: TestClient, images: list[str], tmp_path: Path
) -> None:
    liked, mended, disliked, noted = images
    say(client, image=liked, vote="up", note="lovely")
    say(client, image=mended, vote="down", caption="a green pear")
    say(client, image=disliked, vote="down")
    say(client, image=noted, note="hm")
    folder = tmp_path / "set"
    assert "2 captioned pictures, 0 pairs" in exported(tmp_path, folder)
    assert not check_set(folder).must_mend
    found = {item.file.stem: item for item in read_set(folder).items}
    assert {name: item.captions for name, item in found.items()} == {
        liked: ("a red apple",),
        mended: ("a green pear",),
    }
    by_name = {row["file_name"]: row for row in rows(folder / "metadata.jsonl")}
    assert by_name[f"{liked}.png"] == {
        "file_name": f"{liked}.png", "text": "a red apple", "prompt": "a red apple", "vote": "up", "note": "lovely",
        "seed": 60, "model": "storybook",
    }  # fmt: skip
    assert "4 captioned pictures" in exported(tmp_path, tmp_path / "everything", "--all")


def test_pairs_lie_beside_the_set(client: TestClient, images: list[str], tmp_path: Path) -> None:
    better, worse, *_ = images
    say(client, image=better, over=worse)
    say(client, image=better, vote="up")
    folder = tmp_path / "set"
    assert "1 captioned pictures, 1 pairs" in exported(tmp_path, folder)
    (pair,) = rows(folder / "preferences.jsonl")
    assert (pair["better"], pair["worse"]) == (f"{better}.png", f".pairs/{worse}.png")
    assert all((folder / pair[side]).is_file() for side in ("better", "worse"))
    assert not check_set(folder).findings or all(
        f.kind in ("tiny", "duplicate") for f in check_set(folder).findings
    )


def test_a_picture_that_is_gone_is_counted(client: TestClient, images: list[str], tmp_path: Path) -> None:
    say(client, image=images[0], vote="up")
    say(client, image=images[1], vote="up")
    (tmp_path / "images" / images[0][:2] / f"{images[0]}.png").unlink()
    assert "1 captioned pictures, 0 pairs; 1 no longer there" in exported(tmp_path, tmp_path / "set")


def test_a_picture_that_is_damaged_is_named_and_passed_over(
    client: TestClient, images: list[str], tmp_path: Path
) -> None:
    say(client, image=images[0], vote="up")
    say(client, image=images[1], vote="up")
    (tmp_path / "images" / images[0][:2] / f"{images[0]}.png").write_bytes(b"something else")
    folder = tmp_path / "set"
    done = CliRunner().invoke(app, ["feedback", "export", str(folder), "--data-dir", str(tmp_path)])
    assert done.exit_code == 1 and images[0] in done.stderr and images[1] not in done.stderr
    assert done.stdout == f"{folder}: 1 captioned pictures, 0 pairs\n"
    assert [row["file_name"] for row in rows(folder / "metadata.jsonl")] == [f"{images[1]}.png"]


def test_a_folder_with_something_in_it_is_left_alone(client: TestClient, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["feedback", "export", str(tmp_path), "--data-dir", str(tmp_path)])
    assert done.exit_code == 2 and "is not empty" in done.output
