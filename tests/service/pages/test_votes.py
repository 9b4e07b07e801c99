"""Saying on the page what one thinks of a picture, and which of two is better."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, Route, expect

from .stub_server import Stub
from .test_composing import APPLE, draw, ready


def said(stub: Stub) -> list[dict[str, Any]]:
    return list(stub.feedback.values())


def test_a_thumb_is_kept_changed_and_taken_back(page: Page, stub: Stub) -> None:
    ready(page)
    expect(page.locator("#votes-below").get_by_label("What it really shows")).to_be_hidden()
    draw(page, APPLE)
    votes = page.locator("#votes")
    votes.get_by_role("button", name="Not good").click()
    expect(votes.get_by_role("button", name="Not good")).to_have_attribute("aria-pressed", "true")
    (image,) = next(iter(stub.jobs.values())).images
    assert [(one["image"], one["vote"]) for one in said(stub)] == [(image["id"], "down")]
    page.locator(".tile").click()
    viewer = page.locator("#viewer-votes")
    expect(viewer.get_by_role("button", name="Not good")).to_have_attribute("aria-pressed", "true")
    viewer.get_by_role("button", name="Good", exact=True).click()
    expect(viewer.get_by_role("button", name="Good", exact=True)).to_have_attribute("aria-pressed", "true")
    assert [one["vote"] for one in said(stub)] == ["up"]
    viewer.get_by_role("button", name="Good", exact=True).click()
    expect(viewer.get_by_role("button", name="Say more")).to_be_hidden()
    assert said(stub) == []


def test_what_the_picture_really_shows_and_a_note_go_with_the_vote(page: Page, stub: Stub) -> None:
    ready(page)
    draw(page, APPLE)
    page.locator("#votes").get_by_role("button", name="Not good").click()
    page.locator("#votes").get_by_role("button", name="Say more").click()
    caption = page.locator("#votes-below").get_by_label("What it really shows")
    expect(caption).to_be_focused()
    expect(caption).to_have_value(APPLE)
    page.locator("#votes-below").get_by_label("A note").fill("no table")
    page.locator("#votes-below").get_by_role("button", name="Keep it").click()
    expect(page.locator("#toast")).to_have_text("Kept, thank you")
    assert [(one["vote"], one["note"], one["caption"]) for one in said(stub)] == [("down", "no table", "")]
    page.locator("#votes").get_by_role("button", name="Say more").click()
    caption.fill("a red apple in the snow")
    caption.press("Enter")
    expect(caption).to_be_hidden()
    assert [(one["note"], one["caption"]) for one in said(stub)] == [("no table", "a red apple in the snow")]
    page.locator("#votes").get_by_role("button", name="Not good").click()
    expect(page.locator("#votes").get_by_role("button", name="Not good")).to_have_attribute(
        "aria-pressed", "false"
    )
    assert [one["vote"] for one in said(stub)] == [None], "the words stay when the thumb goes"


def test_of_four_the_better_one_stays_until_all_were_seen(page: Page, stub: Stub) -> None:
    ready(page)
    expect(page.locator("#compare")).to_be_hidden()
    page.locator("[name=count][value='4']").check(force=True)
    draw(page, APPLE)
    expect(page.locator("#votes")).to_be_hidden()
    ids = [image["id"] for image in next(iter(stub.jobs.values())).images]
    page.click("#compare")
    expect(page.locator("#pair-progress")).to_have_text("1 of 3")
    page.click("#pair-right")
    expect(page.locator("#pair-progress")).to_have_text("2 of 3")
    page.click("#pair-neither")
    expect(page.locator("#pair-progress")).to_have_text("3 of 3")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#pairs")).to_be_hidden()
    assert [(one["image"], one["over"]) for one in said(stub)] == [(ids[1], ids[0]), (ids[1], ids[3])]


def test_a_thumb_waits_for_what_was_said_before(page: Page, stub: Stub) -> None:
    """Else it would write over a note."""
    ready(page)
    waiting: list[Route] = []
    page.route("**/v1/feedback?*", lambda route: waiting.append(route))
    draw(page, APPLE)
    good = page.locator("#votes").get_by_role("button", name="Good", exact=True)
    expect(good).to_be_disabled()
    (image,) = next(iter(stub.jobs.values())).images
    stub.feedback[image["id"], None] = {
        "id": "one", "image": image["id"], "over": None, "vote": None, "note": "no table", "caption": "",
    }  # fmt: skip
    for route in waiting:
        route.continue_()
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    assert [(one["vote"], one["note"]) for one in said(stub)] == [("up", "no table")]
