"""Jobs that begin from a picture: uploading it, what is refused, what is kept."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from limner.service.app import create_app
from limner.service.bodies import MAX_UPLOAD
from limner.service.images import ImageStore

from .conftest import Await
from .fake_studio import FakeStudio


def file_of(width: int = 40, height: int = 20, kind: str = "PNG", colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, kind)
    return file.getvalue()


def send(client: TestClient, data: bytes, kind: str = "image/png") -> Any:
    return client.post("/v1/images", content=data, headers={"content-type": kind})


def uploaded(client: TestClient, data: bytes | None = None) -> str:
    answer = send(client, file_of() if data is None else data)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_an_uploaded_picture_is_kept_as_png(client: TestClient, kind: str) -> None:
    answer = send(client, file_of(kind=kind), f"image/{kind.lower()}")
    assert answer.status_code == 201
    told = answer.json()
    assert (told["width"], told["height"]) == (40, 20)
    assert answer.headers["location"] == told["url"]
    got = client.get(told["url"])
    assert got.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(got.content)).size == (40, 20)


def test_a_job_gets_the_picture_and_its_mask(client: TestClient, studio: FakeStudio, until: Await) -> None:
    image = uploaded(client)
    mask = uploaded(client, file_of(colour="white"))
    body = {"prompt": "a cat", "image": image, "mask": mask, "strength": 0.5, "n": 2}
    job = client.post("/v1/jobs", json=body)
    assert job.status_code == 202, job.text
    assert job.json()["steps"] == 2, "half of the four steps"
    done = until(job.json()["id"], "succeeded")
    assert {name: done["request"][name] for name in ("image", "mask", "strength")} == {
        "image": image,
        "mask": mask,
        "strength": 0.5,
    }
    for source in studio.sources:
        assert source is not None and source.mask is not None
        assert source.pixels.shape == (20, 40, 3) and (source.pixels == (255, 0, 0)).all()
        assert (source.mask == 255).all()


@pytest.mark.parametrize(
    ("way", "other"),
    [
        ({"keep": [0.25, 0.5, 0.75, 1.0]}, {"keep": [0.25, 0.5, 0.75, 0.9]}),
        ({"outward": 0.6}, {"outward": 0.5}),
    ],
    ids=["keep", "outward"],
)
def test_a_job_redraws_all_but_a_part_or_all_around(
    client: TestClient, studio: FakeStudio, until: Await, way: dict[str, Any], other: dict[str, Any]
) -> None:
    body = {"prompt": "a cat", "image": uploaded(client), "seed": 7}
    done = until(client.post("/v1/jobs", json=body | way).json()["id"], "succeeded")
    assert done["request"]["strength"] == 1, "as with a mask"
    ((name, asked),) = way.items()
    assert done["request"][name] == asked
    source = studio.sources[-1]
    assert source is not None and source.fitted(64, 64).mask is not None
    assert getattr(source, name) == (tuple(asked) if isinstance(asked, list) else asked)
    assert client.post("/v1/jobs", json=body | way).json()["state"] == "succeeded", "it is there"
    for different in (other, {}):
        until(client.post("/v1/jobs", json=body | different).json()["id"], "succeeded")
    assert len(studio.started) == 3


def test_variations_have_seeds_of_their_own(client: TestClient, studio: FakeStudio, until: Await) -> None:
    body = {"prompt": "a cat", "seed": 3, "variation_seed": 2**32 - 1, "variation_strength": 0.25, "n": 2}
    done = until(client.post("/v1/jobs", json=body).json()["id"], "succeeded")
    assert [image["seed"] for image in done["images"]] == [2**32 - 1, 0]
    assert [(one.seed, one.variation_seed) for one in studio.started] == [(3, 2**32 - 1), (3, 0)]


def test_a_drawn_picture_can_be_worked_on(client: TestClient, studio: FakeStudio, until: Await) -> None:
    first = until(client.post("/v1/jobs", json={"prompt": "a cat"}).json()["id"], "succeeded")
    body = {"prompt": "a dog", "image": first["images"][0]["id"]}
    until(client.post("/v1/jobs", json=body).json()["id"], "succeeded")
    source = studio.sources[-1]
    assert source is not None and source.pixels.shape == (64, 64, 3)


def test_what_a_job_has_taken_up_stays_after_the_upload_is_gone(
    tmp_path: Path, studio: FakeStudio, until: Await, client: TestClient
) -> None:
    image = uploaded(client)
    studio.gate.clear()
    job = client.post("/v1/jobs", json={"prompt": "a cat", "image": image}).json()["id"]
    for file in (tmp_path / "uploads").glob("??/*.png"):
        file.unlink()
    studio.gate.set()
    assert until(job, "succeeded", "failed")["state"] == "succeeded"
    assert client.get(f"/v1/images/{image}").status_code == 200


def _bomb() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "kind", "status", "words"),
    [
        (b"hello", "image/png", 422, "cannot be decoded"),
        (b"", "image/png", 422, ""),
        (file_of()[:60], "image/png", 422, ""),
        (file_of(4, 4), "image/png", 422, "at least 8x8"),
        (_bomb(), "image/png", 422, "million pixels"),
        (file_of(), "text/html", 415, "image/png"),
        (file_of(), "application/json", 415, "image/png"),
        (bytes(MAX_UPLOAD + 1), "image/png", 413, str(MAX_UPLOAD)),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic", 422, "PNG, JPEG, WEBP, BMP, GIF or TIFF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", 422, "cannot be decoded"),
    ],
)
def test_what_cannot_be_uploaded(client: TestClient, data: bytes, kind: str, status: int, words: str) -> None:
    answer = send(client, data, kind)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"image": "0" * 64}, "image"),
        ({"image": "../../etc/passwd"}, "image"),
        ({"image": 7}, "image"),
        ({"strength": 0}, "strength"),
        ({"strength": 1.01}, "strength"),
        ({"keep": [0, 0, 1, 1.5]}, "keep"),
        ({"keep": [0, 0, 1]}, "keep"),
        ({"keep": [0, 0, 1, 0.5]}, "keep"),  # of no picture
        ({"outward": 0.95}, "outward"),
        ({"outward": 0.5}, "outward"),
        ({"guidance_interval": [0, 1.5]}, "guidance_interval"),
        ({"variation_strength": -0.1}, "variation_strength"),
        ({"variation_seed": 2**32}, "variation_seed"),
    ],
)
def test_a_wrong_field_is_named(client: TestClient, fields: dict[str, Any], field: str) -> None:
    answer = client.post("/v1/jobs", json={"prompt": "a cat", **fields})
    assert answer.status_code == 422
    first = answer.json()["errors"][0]
    assert first["field"] == field and first["allowed"]


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ({"keep": [0.5, 0, 0.5, 1]}, "left below right"),
        ({"keep": [0, 0, 1, 0.5], "outward": 0.5}, "one of the three"),
    ],
)
def test_a_part_that_cannot_be_kept_is_named(client: TestClient, way: dict[str, Any], words: str) -> None:
    answer = client.post("/v1/jobs", json={"prompt": "a cat", "image": uploaded(client), **way})
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "keep"
    assert words in answer.json()["detail"]


def test_a_mask_that_does_not_fit_is_named(client: TestClient) -> None:
    body = {
        "prompt": "a cat",
        "image": uploaded(client),
        "mask": uploaded(client, file_of(20, 40, colour="white")),
    }
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "mask"


def test_a_foreign_page_cannot_upload(client: TestClient) -> None:
    headers = {"content-type": "image/png", "origin": "https://evil.example"}
    assert client.post("/v1/images", content=file_of(), headers=headers).status_code == 403


def test_the_oldest_uploads_go_when_there_are_too_many(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    store = ImageStore(tmp_path / "uploads", most=2500)
    names = [store.put(rng.bytes(1000)) for _ in range(2)]
    store.put(store.get(names[0]))  # used again, so it is no longer the oldest
    names.append(store.put(rng.bytes(1000)))
    assert [store.has(name) for name in names] == [True, False, True]
    large = store.put(rng.bytes(5000))
    assert store.has(large) and not store.has(names[0])


def test_uploads_are_there_after_a_restart(tmp_path: Path) -> None:
    for turn in range(2):
        app = create_app(tmp_path, FakeStudio(), drain_seconds=0.2)
        with TestClient(app, base_url="http://127.0.0.1:8000") as client:
            if turn == 0:
                image = uploaded(client)
            else:
                assert client.get(f"/v1/images/{image}").status_code == 200
