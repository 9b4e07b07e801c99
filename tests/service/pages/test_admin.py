"""The service as its admins see it on the page."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .stub_server import Stub
from .test_composing import ready


def test_an_admin_sees_queue_minute_models_and_keys(page: Page) -> None:
    ready(page)
    page.click("#admin-open")
    view = page.locator("#admin-parts")
    for told in ("3 of 64", "2.5 s", "Step 4 of 20", "32 GiB", "storybook@2", "diffusion, served, loaded"):
        expect(view).to_contain_text(told)
    expect(view).to_contain_text("12.5 / 50 \u00b7 \u00d73")
    expect(view).to_contain_text("the paint ran out")
    page.click("#admin-close")
    expect(page.locator("#admin")).to_be_hidden()


def test_others_are_not_offered_it(page: Page, stub: Stub) -> None:
    stub.scopes = ["draw", "read"]
    page.reload()
    ready(page)
    expect(page.locator("#admin-open")).to_be_hidden()
