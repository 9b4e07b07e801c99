"""The same seed in other words, side by side."""

from __future__ import annotations

from pathlib import Path

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


def test_a_picture_of_four_keeps_its_own_steps_beside_other_words(page: Page, stub: Stub) -> None:
    ready(page)
    page.get_by_role("radio", name="Four").check(force=True)
    draw(page, APPLE)
    (job,) = stub.jobs.values()
    page.locator(".tile").nth(2).click()
    page.click("#viewer-reword")
    page.fill("#prompt", GREEN)
    page.keyboard.press("Enter")
    finished(page, 2)
    page.locator(".tile").first.click()
    page.click("#viewer-how")
    expect(page.locator("#how-count")).to_have_text("Step 20 of 20")
    last = [data["preview"] for name, data in job.events if name == "step" and data["image"] == 2][-1]
    expect(page.locator("#how-sketch")).to_have_attribute("src", last)


@pytest.mark.parametrize("what", ["#use-all", "#viewer-work", "#work", "#file", "#model"])
def test_what_is_to_be_drawn_on_its_own_ends_other_words(
    page: Page, stub: Stub, photo: Path, what: str
) -> None:
    stub.others = {"birds": {}}
    page.reload()
    ready(page)
    draw(page, APPLE)
    page.click("#reword")
    expect(page.locator("#wording")).to_be_visible()
    if what in ("#use-all", "#viewer-work"):
        page.locator(".tile").click()
    if what == "#file":
        page.set_input_files(what, photo)
    elif what == "#model":
        page.click("#settings")
        page.select_option(what, "birds")
    else:
        page.click(what)
    expect(page.locator("#wording")).to_be_hidden()
    draw(page, GREEN)
    finished(page, 1)
