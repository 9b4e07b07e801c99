"""What screen readers are told, and that they hear it in a dialog, too."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from .stub_server import Stub
from .test_drawing import APPLE, finished, write


def test_what_is_said_while_a_dialog_is_open_is_said_in_it(page: Page, stub: Stub) -> None:
    stub.hold_after = 10
    write(page, APPLE)
    page.get_by_role("radio", name="Four").check(force=True)
    page.click("#draw")
    expect(page.locator("#facts")).to_have_text("Step 10 of 20")
    page.click("#how-open")
    stub.hold_after = None
    expect(page.locator("#how #live")).to_have_text("The pictures are done.")
    page.keyboard.press("Escape")
    finished(page, 4)
    page.locator(".tile").nth(1).click()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer #live")).to_have_text(f"3 of 4: {APPLE}")
    page.keyboard.press("Escape")
    page.click("#compare")
    expect(page.locator("#pairs #live")).to_have_text("1 of 3")
    page.click("#pair-left")
    expect(page.locator("#pairs #live")).to_have_text("2 of 3")
    page.keyboard.press("Escape")
    page.click("#again")
    expect(page.locator("body > #live")).to_have_count(1)
    finished(page, 4)


def test_the_place_in_the_queue_is_said_at_first_and_when_it_is_next(
    page: Page, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stub, "draw", lambda job: None)
    write(page, APPLE)
    page.click("#draw")
    live, facts = page.locator("#live"), page.locator("#facts")
    expect(facts).to_have_text("Next in the queue")
    expect(live).to_have_text(f"Drawing: {APPLE}")
    (job,) = stub.jobs.values()
    job.events.append(("queued", {"position": 3}))
    expect(live).to_have_text("Waiting: number 3 in the queue")
    job.events.append(("queued", {"position": 1}))
    expect(live).to_have_text("Next in the queue")
    stub.finish(job, "cancelled")
    expect(page.locator("#draw")).to_be_visible()
