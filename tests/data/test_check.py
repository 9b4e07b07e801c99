from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limner.data import Report, check_set
from limner.errors import NotFound
from tests.data.pictures import picture, write_jsonl


def _kinds(report: Report) -> set[tuple[str, str]]:
    return {(one.kind, Path(one.where).name) for one in report.findings}


def test_a_good_set_has_no_findings(tmp_path: Path) -> None:
    for k in range(3):
        picture(k).save(tmp_path / f"{k}.png")
    write_jsonl(tmp_path, *({"file_name": f"{k}.png", "text": ["a", "b"]} for k in range(3)))
    report = check_set(tmp_path)
    assert (report.pictures, report.captions, report.findings) == (3, 6, ())


def test_everything_is_found_at_once(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "good.png")
    picture(1, 200).save(tmp_path / "copy.jpg", quality=70)
    picture(2, 40).save(tmp_path / "tiny.png")
    (tmp_path / "broken.png").write_text("hello", encoding="utf-8")
    picture(3, 256).save(tmp_path / "half.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "half.png").read_bytes()[:5000])
    picture(4).save(tmp_path / "silent.png")
    picture(5).save(tmp_path / "empty.png")
    picture(6).save(tmp_path / "masked.png")
    picture(7, 64).save(tmp_path / "mask.png")
    named = ("good.png", "copy.jpg", "tiny.png", "broken.png", "half.png", "gone.png")
    write_jsonl(
        tmp_path,
        *({"file_name": name, "text": "x"} for name in named),
        {"file_name": "empty.png", "text": ""},
        {"file_name": "masked.png", "text": "x", "mask": "mask.png"},
        "{",
    )
    report = check_set(tmp_path)
    assert _kinds(report) == {
        ("duplicate", "copy.jpg"),
        ("tiny", "tiny.png"),
        ("broken", "broken.png"),
        ("truncated", "half.png"),
        ("uncaptioned", "silent.png"),
        ("uncaptioned", "metadata.jsonl:7"),
        ("no picture", "metadata.jsonl:6"),
        ("mask", "mask.png"),
        ("metadata", "metadata.jsonl:9"),
    }
    assert {one.kind for one in report.worth_a_look} == {"duplicate", "tiny"}
    assert len(report.must_mend) == 7
    assert "save it again as one of them" in next(
        one.detail for one in report.findings if one.kind == "broken"
    )
    assert "good.png" in next(one.detail for one in report.findings if one.kind == "duplicate")


def test_masks_whose_values_stand_for_nothing(tmp_path: Path) -> None:
    steps = np.linspace(0, 255, 96).astype(np.uint8)
    masks = {"full": (steps > 99) * np.uint8(255), "two": (steps > 99) * np.uint8(2), "smooth": steps}
    records = []
    for k, (name, mask) in enumerate(masks.items()):
        picture(k).save(tmp_path / f"{name}.png")
        Image.fromarray(np.tile(mask, (96, 1))).save(tmp_path / f"{name}-mask.png")
        records.append({"file_name": f"{name}.png", "text": "x", "mask": f"{name}-mask.png"})
    write_jsonl(tmp_path, *records)
    assert _kinds(check_set(tmp_path)) == {("mask", "smooth-mask.png")}
    write_jsonl(tmp_path, *(record | {"subjects": [{"subject": "cat"}, {}]} for record in records))
    report = check_set(tmp_path)
    assert _kinds(report) == {("mask", "smooth-mask.png"), ("mask", "full-mask.png")}
    assert any("has the value 255, and 2 subjects are told of" in one.detail for one in report.must_mend)


def test_a_name_may_begin_with_a_dot_and_a_slash(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "a.png")
    Image.new("L", (96, 96), 1).save(tmp_path / "mask.png")
    write_jsonl(tmp_path, {"file_name": "./a.png", "text": "x", "mask": ".//mask.png"})
    report = check_set(tmp_path)
    assert (report.pictures, report.findings) == (1, ())


def test_captions_beside_pictures(tmp_path: Path) -> None:
    for k in range(3):
        picture(k).save(tmp_path / f"{k}.png")
    (tmp_path / "0.txt").write_text("x", encoding="utf-8")
    (tmp_path / "1.txt").write_text("\n", encoding="utf-8")
    (tmp_path / "lost.txt").write_text("x", encoding="utf-8")
    assert _kinds(check_set(tmp_path)) == {
        ("uncaptioned", "1.txt"),
        ("uncaptioned", "2.png"),
        ("no picture", "lost.txt"),
    }


def test_a_telephones_pictures_are_not_passed_over(tmp_path: Path) -> None:
    for name in ("one.heic", "two.AVIF"):
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
        (tmp_path / name).with_suffix(".txt").write_text("a dog", encoding="utf-8")
    report = check_set(tmp_path)
    assert _kinds(report) == {("broken", "one.heic"), ("broken", "two.AVIF")}
    assert all("save it again as one of them" in one.detail for one in report.findings)


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    for k in range(3):
        picture(k).save(tmp_path / f"{k}.png")
    seen: list[tuple[int, int]] = []
    check_set(tmp_path, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_nothing_to_check(tmp_path: Path) -> None:
    assert [one.kind for one in check_set(tmp_path).must_mend] == ["no picture"]
    with pytest.raises(NotFound):
        check_set(tmp_path / "nowhere")
