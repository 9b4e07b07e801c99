"""The page as an app: what its manifest names is there, and it is there without the service."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from .stub_server import PAGES, Stub, serving
from .test_composing import APPLE, draw, ready
from .waiting import until


def test_what_the_manifest_names_is_there() -> None:
    manifest = json.loads((PAGES / "manifest.webmanifest").read_text("utf-8"))
    assert manifest["start_url"] == manifest["scope"] == "/" and manifest["display"] == "standalone"
    for icon in manifest["icons"]:
        with Image.open(PAGES / icon["src"].removeprefix("/pages/")) as image:
            assert icon["sizes"] == f"{image.width}x{image.height}"
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in manifest["icons"]}
    assert any(icon.get("purpose") == "maskable" for icon in manifest["icons"])


def test_the_page_is_there_without_the_service_after_one_visit(browser: Browser) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    with serving(Stub()) as address:
        page.goto(address)
        ready(page)
        page.evaluate(
            """async () => {
              const path = (url) => new URL(url).pathname;
              for (;;) {
                const stores = await Promise.all((await caches.keys()).map((name) => caches.open(name)));
                const kept = (await Promise.all(stores.map((one) => one.keys()))).flat().map((one) => path(one.url));
                const loaded = performance.getEntriesByType("resource").map(({ name }) => path(name));
                const pages = loaded.filter((name) => name.startsWith("/pages/"));
                const parts = ["/", "/v1/models", "/pages/language.json", ...pages];
                if (parts.every((name) => kept.includes(name))) return;
                await new Promise((go) => setTimeout(go, 50));
              }
            }"""
        )
    page.reload()
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("#draw")).to_have_text("Draw")
    context.close()


class Busy(BaseHTTPRequestHandler):
    """What a proxy answers while the service behind it is started anew."""

    def do_GET(self) -> None:
        self.send_error(503)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def busy(address: str, answers: type[Busy] = Busy) -> Iterator[None]:
    server = HTTPServer(("127.0.0.1", int(address.rpartition(":")[2])), answers)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    with server:
        yield
        server.shutdown()


class Renewed(Busy):
    """A service that comes back as the page is being fetched, with parts that do not fit the page that was kept."""

    def do_GET(self) -> None:
        if not self.path.startswith("/pages/"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript")
        self.end_headers()
        return None


@contextmanager
def hanging(address: str) -> Iterator[None]:
    """A service that lets everybody connect, and answers nobody."""
    with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2])), backlog=64):
        yield


def renewed(address: str) -> AbstractContextManager[None]:
    return busy(address, Renewed)


@pytest.mark.parametrize("instead", [nullcontext, busy, renewed, hanging])
def test_page_and_pictures_are_there_without_the_service(
    browser: Browser, instead: Callable[[str], AbstractContextManager[None]]
) -> None:
    stub = Stub()
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    with serving(stub) as address:
        page.goto(address)
        ready(page)
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        page.reload()
        draw(page, APPLE)
        page.reload()
        expect(page.locator(".wall img")).to_have_count(1)
        until(page, "document.querySelector('.wall img').naturalWidth > 0")
    with instead(address):
        page.reload()
        if instead is not hanging:
            expect(page.locator("#offline")).to_be_visible()
        expect(page.locator("#draw")).to_have_text("Draw")
        expect(page.locator(".wall img")).to_have_count(1)
        until(page, "document.querySelector('.wall img').naturalWidth > 0")
        context.close()


def test_without_the_service_a_language_that_was_never_read_leaves_the_words_as_they_were(
    browser: Browser,
) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    with serving(Stub()) as address:
        page.goto(address)
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        page.reload()
        ready(page)
    page.select_option("#language", "es")
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("#language")).to_be_visible()
    assert page.evaluate("localStorage.getItem('limner.language')") == "es"
    context.close()
