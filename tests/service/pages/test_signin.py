"""Signing in on the page, against the service itself: a key once, then a cookie, for streams and pictures, too."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Page, expect

from limner.service.access import KeyStore
from limner.service.app import create_app
from limner.service.database import open_database

from ..fake_studio import FakeStudio


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """Of the one key, which was made before the service started."""
    engine = open_database(tmp_path / "limner.db")
    made = KeyStore(engine).create("ada")[1]
    engine.dispose()
    return made


@pytest.fixture
def address(tmp_path: Path, secret: str) -> Iterator[str]:
    """The page's service, in place of the stub."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(tmp_path, FakeStudio(0.05), drain_seconds=0.2)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def test_a_key_signs_in_draws_and_signs_out(page: Page, secret: str, complaints: list[str]) -> None:
    dialog = page.locator("#signin")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    page.fill("#signin-key", "limner_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#signin-error")).to_have_text("No key in force has this secret.")
    page.fill("#signin-key", secret)
    page.get_by_role("button", name="Sign in").click()
    expect(dialog).to_be_hidden()
    assert page.input_value("#signin-key") == "", "the secret does not stay in the page"
    page.fill("#prompt", "a red apple")
    page.click("#draw")
    picture = page.locator(".tile img.final")
    expect(picture).to_have_count(1)
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("limner_session", True, "Strict")
    assert page.evaluate("document.cookie") == ""
    page.reload()
    expect(page.locator(".wall button")).to_have_count(1)
    page.get_by_role("button", name="Sign out").click()
    expect(dialog).to_be_visible()
    assert page.context.cookies() == []
    assert all("401" in said for said in complaints), complaints
    complaints.clear()
