"""A browser, a stub service and a page that tells of every error."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from .painting import paint
from .stub_server import Stub, serving

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
"""The shell is Chromium without what draws its own windows and menus: a page takes half the processor time."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one module: while Playwright is open its event loop runs, and no test can run another."""
    if CHROMIUM is None:
        pytest.skip("Chromium is missing: apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=False)
        yield opened
        opened.close()


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def address(stub: Stub) -> Iterator[str]:
    with serving(stub) as where:
        yield where


@pytest.fixture
def complaints() -> list[str]:
    """What the console and the page complained of; a test that provokes it clears the list."""
    return []


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture of one's own, wider than high."""
    file = tmp_path / "photo.png"
    paint("a red car", 3).resize((200, 100)).save(file)
    return file


@pytest.fixture(params=[(1280, 800)], ids=["desktop"])
def page(
    request: pytest.FixtureRequest, browser: Browser, address: str, complaints: list[str]
) -> Iterator[Page]:
    """The page, open. It fails the test that used it if it logged an error or broke its own policy."""
    width, height = request.param
    context = browser.new_context(
        viewport={"width": width, "height": height},
        base_url=address,
        reduced_motion="reduce",
        service_workers="block",
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.set_default_timeout(15_000)
    expect.set_options(timeout=15_000)
    opened = context.new_page()

    def hear(message: ConsoleMessage) -> None:
        blocked = "Service Worker registration blocked" in message.text
        if message.type in ("error", "warning") and not blocked:
            complaints.append(message.text)

    opened.on("console", hear)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto("/")
    yield opened
    context.close()
    assert complaints == []
