"""The same seed in other words, side by side."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from .stub_server import Stub
from .test_composing import APPLE, draw, ready
from .test_drawing import finished

GREEN = APPLE.replace("red", "green")


@pytest.mark.parametrize("where", ["#reword", "#viewer-reword"])
def test_other_words_hang_beside_the_picture_with_its_seed(page: Page, stub: Stub, where: str) -> None:
    ready(page)
    draw(page, APPLE)
    if where == "#viewer-reword":
        page.locator(".tile").click()
    page.click(where)
    expect(page.locator("#wording")).to_be_visible()
    expect(page.locator("#prompt")).to_have_value(APPLE)
    page.click("#draw")
    expect(page.locator("#prompt-error")).to_contain_text("Change a word first")
    page.fill("#prompt", GREEN)
    page.keyboard.press("Enter")
    finished(page, 2)
    first, second = stub.jobs.values()
    assert len(stub.sent) == 2, "the picture that is there is not drawn again"
    assert second.request["seed"] == first.images[0]["seed"] and second.request["prompt"] == GREEN
    assert page.locator(".tile .by mark").all_text_contents() == ["red", "green"]
    expect(page.locator("#title")).to_have_text("Same seed, other words")
    expect(page.locator("#facts")).to_contain_text(f"Seed {first.images[0]['seed']}")
    expect(page.locator("#compare")).to_be_hidden()
    page.locator(".tile").nth(1).click()
    expect(page.locator("#viewer-title")).to_have_text(GREEN)
    page.keyboard.press("Escape")
    page.click("#wording-close")
    expect(page.locator("#wording")).to_be_hidden()
    draw(page, GREEN)
    finished(page, 1)
