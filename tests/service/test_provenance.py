"""A service with a certificate signs what it draws, hands out what is signed, and never shows its key."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from limner.errors import Unavailable
from limner.provenance import Signer, SignerFiles, open_signer, read_told
from limner.service.app import create_app
from limner.service.storage.blobs import OWNERS
from tests.provenance.authority import Authority, Pair

from .fake_studio import FakeStudio
from .test_events import read


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("shop")


@pytest.fixture
def signing(tmp_path: Path, pair: Pair) -> Iterator[TestClient]:
    signer = open_signer(SignerFiles(pair.certificate, pair.key))
    app = create_app(tmp_path / "data", FakeStudio(), drain_seconds=0.2, signer=signer)
    with TestClient(app, base_url="http://127.0.0.1:8000") as made:
        yield made


def drawn(client: TestClient, **fields: Any) -> dict[str, Any]:
    job = client.post("/v1/jobs", json={"prompt": "a red apple", **fields}).json()
    done: dict[str, Any] = read(client.get(f"/v1/jobs/{job['id']}/events").text)[-1]["data"]
    assert done["state"] == "succeeded", done["error"]
    return done


def test_every_picture_is_signed_and_keeps_its_text(signing: TestClient, authority: Authority) -> None:
    for image in drawn(signing, seed=7, n=2)["images"]:
        told = read_told(signing.get(image["url"]).content, authority.root)
        assert (told.signature, told.by, told.models) == ("trusted", "shop", ("storybook@1",))
        assert told.settings is not None and told.settings["prompt"] == "a red apple"


def test_a_flipped_byte_of_what_is_handed_out_is_refused(signing: TestClient) -> None:
    file = bytearray(signing.get(drawn(signing)["images"][0]["url"]).content)
    file[file.index(b"IDAT") + 20] ^= 1
    assert read_told(bytes(file)).signature == "broken"


def test_a_picture_drawn_from_another_says_so(signing: TestClient, authority: Authority) -> None:
    first = drawn(signing)["images"][0]
    image = drawn(signing, image=first["id"], strength=0.5)["images"][0]
    told = read_told(signing.get(image["url"]).content, authority.root)
    assert told.signature == "trusted"
    assert (told.actions, told.ingredients) == (("c2pa.opened", "c2pa.edited"), 1)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_copies_in_another_size_or_format_are_signed_as_such(
    signing: TestClient, authority: Authority, kind: str
) -> None:
    image = drawn(signing)["images"][0]
    copy = signing.get(f"{image['url']}/copy?size=32x32&format={kind}")
    told = read_told(copy.content, authority.root)
    assert (told.signature, told.width, told.ingredients) == ("trusted", 32, 1)
    assert signing.get(f"{image['url']}/copy").content == signing.get(image["url"]).content


def test_the_key_is_in_no_log_and_no_answer(
    signing: TestClient, pair: Pair, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        job = drawn(signing)
        answers = [
            signing.get(path).text for path in ("/metrics", "/v1/admin/status", f"/v1/jobs/{job['id']}")
        ]
        file = signing.get(job["images"][0]["url"]).content
    out, err = capfd.readouterr()
    lines = [line for line in pair.secret.decode().splitlines() if "PRIVATE KEY" not in line]
    for line in lines:
        assert not any(line in text for text in (caplog.text, out, err, *answers))
        assert line.encode() not in file


def test_a_certificate_that_has_expired_meanwhile_lets_nothing_out_unsigned(
    signing: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    app: Any = signing.app

    def expired(*_: object) -> bytes:
        raise Unavailable("the picture cannot be signed: the certificate was not valid at time of signing")

    monkeypatch.setattr(app.state.service.signer, "sign", expired)
    job = signing.post("/v1/jobs", json={"prompt": "a cat"}).json()
    done = read(signing.get(f"/v1/jobs/{job['id']}/events").text)[-1]["data"]
    assert done["state"] == "failed" and "cannot be signed" in done["error"] and not done["images"]
    images = tmp_path / "data" / "images"
    assert not [file for file in images.rglob("*") if file.is_file() and file.parent != images / OWNERS]


def test_pictures_are_signed_from_many_threads_at_once(signing: TestClient, authority: Authority) -> None:
    app: Any = signing.app
    png = signing.get(drawn(signing)["images"][0]["url"]).content
    signed: list[str] = []

    def sign() -> None:
        signed.append(read_told(app.state.service.signer.sign(png, "a", "1"), authority.root).signature)

    threads = [threading.Thread(target=sign) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert signed == ["trusted"] * 4


def test_what_was_drawn_unsigned_is_not_handed_out_again(
    tmp_path: Path, pair: Pair, authority: Authority
) -> None:
    def ask(signer: Signer | None) -> str:
        app = create_app(tmp_path / "data", FakeStudio(), drain_seconds=0.2, signer=signer)
        with TestClient(app, base_url="http://127.0.0.1:8000") as client:
            first, again = (drawn(client, seed=7)["images"][0]["url"] for _ in range(2))
            assert first == again
            return read_told(client.get(first).content, authority.root).signature

    assert ask(None) == "none"
    assert ask(open_signer(SignerFiles(pair.certificate, pair.key))) == "trusted"
