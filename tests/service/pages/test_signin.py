"""Signing in on the page, against the service itself: a key once, then a cookie, for streams and pictures, too."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from limner.errors import StorageDown
from limner.service.access import KeyStore
from limner.service.app import create_app
from limner.service.database import open_database
from limner.service.jobs import JobStore

from ..fake_studio import FakeStudio
from .waiting import until


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


def test_a_key_signs_in_draws_and_signs_out(
    page: Page, address: str, secret: str, complaints: list[str]
) -> None:
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
    name = f"limner_session_{address.rpartition(':')[2]}"
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (name, True, "Strict")
    assert page.evaluate("document.cookie") == ""
    page.reload()
    expect(page.locator(".wall button")).to_have_count(1)
    page.get_by_role("button", name="Sign out").click()
    expect(dialog).to_be_visible()
    assert page.context.cookies() == []
    assert all("401" in said for said in complaints), complaints
    complaints.clear()


AGAIN = """async (url) => {
  for (let tries = 0; ; tries += 1) {
    const answer = await fetch(url, { cache: "force-cache" }).catch(() => ({ status: 0 }));
    if (answer.status !== 200 || tries > 100) return answer.status;
    await new Promise((go) => setTimeout(go, 50));
  }
}"""
"""The answer to whoever takes what the browser has, whatever its age; once that is not the picture any more."""


def test_a_picture_that_was_deleted_or_signed_out_of_is_not_to_be_had_from_the_browser(
    page: Page, secret: str, complaints: list[str]
) -> None:
    page.fill("#signin-key", secret)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#small")).to_be_visible()
    urls: list[str] = []
    for prompt in ("a red apple", "a blue house"):
        page.fill("#prompt", prompt)
        page.click("#draw")
        expect(page.locator(".wall button")).to_have_count(len(urls) + 1)
        urls.append(page.locator(".wall img").first.get_attribute("src") or "")
        until(page, "document.querySelector('.wall img').naturalWidth > 0")
    page.locator(".wall button").last.click()
    for _ in range(2):
        page.click("#viewer-delete")
    expect(page.locator("#viewer")).to_be_hidden()
    assert page.evaluate(AGAIN, urls[0]) == 404
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#signin")).to_be_visible()
    assert page.evaluate(AGAIN, urls[1]) == 401
    complaints.clear()


OWN = """async (least) => {
  for (let tries = 0; ; tries += 1) {
    const stores = await Promise.all((await caches.keys()).map((name) => caches.open(name)));
    const kept = (await Promise.all(stores.map((store) => store.keys()))).flat();
    const own = kept.map(({ url }) => new URL(url).pathname).filter((name) => /^.v1.(jobs|images|pins)/.test(name));
    if (own.length >= least || tries > 200) return own.sort();
    await new Promise((go) => setTimeout(go, 50));
  }
}"""
"""The addresses that the browser keeps of what is one key's own: jobs and pictures; when there are so many."""


@contextmanager
def kept(browser: Browser, address: str, secret: str) -> Iterator[Page]:
    """The page of who is signed in, of whose jobs and pictures the browser keeps what was seen last."""
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(address)
    page.fill("#signin-key", secret)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#signin")).to_be_hidden()
    page.fill("#prompt", "a red apple")
    page.click("#draw")
    expect(page.locator(".tile img.final")).to_have_count(1)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    assert {"jobs", "images"} <= {name.split("/")[2] for name in page.evaluate(OWN, 3)}
    yield page
    context.close()


def test_signing_out_takes_away_what_the_browser_keeps(browser: Browser, address: str, secret: str) -> None:
    """Also where the worker that keeps it is not the page's, as after a reload that goes past it."""
    with kept(browser, address, secret) as page:
        page.evaluate("Object.defineProperty(navigator.serviceWorker, 'controller', { value: null })")
        with page.expect_navigation():
            page.get_by_role("button", name="Sign out").click()
        expect(page.locator("#signin")).to_be_visible()
        assert page.evaluate(OWN, 0) == []


def test_after_a_session_that_ended_by_itself_another_key_gets_nothing_that_the_browser_kept(
    browser: Browser, address: str, secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*asked: object) -> None:
        raise StorageDown("the disk rests")

    engine = open_database(tmp_path / "limner.db")
    other = KeyStore(engine).create("bob")[1]
    engine.dispose()
    with kept(browser, address, secret) as page:
        page.context.clear_cookies()
        page.reload()
        expect(page.locator("#signin")).to_be_visible()
        monkeypatch.setattr(JobStore, "page", away)
        page.fill("#signin-key", other)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#more")).to_be_visible()  # to try the list again
        expect(page.locator(".wall button")).to_have_count(0)
        assert not [name for name in page.evaluate(OWN, 0) if "pins" not in name]
