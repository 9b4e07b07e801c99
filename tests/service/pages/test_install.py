"""The page as an app: what its manifest names is there, and it is there without the service."""

from __future__ import annotations

import json

from PIL import Image
from playwright.sync_api import Browser, expect

from .stub_server import PAGES, Stub, serving
from .test_composing import APPLE, draw, ready


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
                const kept = (await (await caches.open("limner-shell-1")).keys()).map(({ url }) => path(url));
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


def test_page_and_pictures_are_there_without_the_service(browser: Browser) -> None:
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
        page.wait_for_function("document.querySelector('.wall img').naturalWidth > 0")
    page.reload()
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("#draw")).to_have_text("Draw")
    expect(page.locator(".wall img")).to_have_count(1)
    page.wait_for_function("document.querySelector('.wall img').naturalWidth > 0")
    context.close()
