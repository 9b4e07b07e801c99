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


def elsewhere(stub: Stub, note: str) -> None:
    """Say something of the one picture in another tab."""
    (image,) = next(iter(stub.jobs.values())).images
    stub.feedback[image["id"], None] = {
        "id": "one", "image": image["id"], "over": None, "vote": None, "note": note, "caption": "",
    }  # fmt: skip


def test_a_thumb_before_it_is_known_what_was_said_keeps_it(page: Page, stub: Stub) -> None:
    ready(page)
    held: list[Route] = []
    page.route("**/v1/feedback?*", lambda route: route.continue_() if held else held.append(route))
    draw(page, APPLE)
    elsewhere(stub, "no table")
    good = page.locator("#votes").get_by_role("button", name="Good", exact=True)
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    assert [(one["vote"], one["note"]) for one in said(stub)] == [("up", "no table")]
    held[0].fulfill(json={"feedback": []})
    page.locator("#votes").get_by_role("button", name="Say more").click()
    expect(page.locator("#votes-below").get_by_label("A note")).to_have_value("no table")
    expect(good).to_have_attribute("aria-pressed", "true")


def test_what_was_said_in_another_tab_stays_when_a_thumb_is_pressed(page: Page, stub: Stub) -> None:
    ready(page)
    with page.expect_response("**/v1/feedback?*"):
        draw(page, APPLE)
    elsewhere(stub, "no table")
    page.locator("#votes").get_by_role("button", name="Good", exact=True).click()
    page.locator("#votes").get_by_role("button", name="Say more").click()
    expect(page.locator("#votes-below").get_by_label("A note")).to_have_value("no table")
    assert [(one["vote"], one["note"]) for one in said(stub)] == [("up", "no table")]


def test_the_stage_and_the_viewer_know_what_was_said_in_the_other(page: Page, stub: Stub) -> None:
    ready(page)
    draw(page, APPLE)
    page.locator(".tile").click()
    viewer, stage = page.locator("#viewer-votes"), page.locator("#votes")
    viewer.get_by_role("button", name="Not good").click()
    viewer.get_by_role("button", name="Say more").click()
    below = page.locator("#viewer-votes-below")
    below.get_by_label("A note").fill("no table")
    below.get_by_label("What it really shows").fill("a red apple")
    below.get_by_role("button", name="Keep it").click()
    expect(below.get_by_label("A note")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(stage.get_by_role("button", name="Not good")).to_have_attribute("aria-pressed", "true")
    stage.get_by_role("button", name="Good", exact=True).click()
    expect(stage.get_by_role("button", name="Good", exact=True)).to_have_attribute("aria-pressed", "true")
    assert [(one["vote"], one["note"], one["caption"]) for one in said(stub)] == [
        ("up", "no table", "a red apple")
    ]
    stage.get_by_role("button", name="Say more").click()
    page.locator("#votes-below").get_by_label("A note").fill("no table there")
    page.locator("#votes-below").get_by_role("button", name="Keep it").click()
    expect(page.locator("#votes-below").get_by_label("A note")).to_be_hidden()
    page.locator(".tile").click()
    viewer.get_by_role("button", name="Say more").click()
    expect(below.get_by_label("A note")).to_have_value("no table there")


def test_thumbs_go_on_where_it_could_not_be_asked_what_was_said(
    page: Page, stub: Stub, complaints: list[str]
) -> None:
    ready(page)
    page.route("**/v1/feedback?*", lambda route: route.fulfill(status=503, json={"detail": "away"}))
    draw(page, APPLE)
    good = page.locator("#votes").get_by_role("button", name="Good", exact=True)
    good.click()
    expect(page.locator("#toast")).to_have_text("The service cannot do this just now (away).")
    page.unroute("**/v1/feedback?*")
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    complaints.clear()


def test_a_note_alone_leaves_a_prompt_of_several_lines_as_it_is(page: Page, stub: Stub) -> None:
    ready(page)
    page.fill("#prompt", "a red apple\non a wooden table")
    page.click("#draw")
    expect(page.locator("#frame")).to_have_attribute("data-state", "done")
    page.locator("#votes").get_by_role("button", name="Good", exact=True).click()
    page.locator("#votes").get_by_role("button", name="Say more").click()
    page.locator("#votes-below").get_by_label("A note").fill("fine")
    page.locator("#votes-below").get_by_role("button", name="Keep it").click()
    expect(page.locator("#toast")).to_have_text("Kept, thank you")
    assert [(one["note"], one["caption"]) for one in said(stub)] == [("fine", "")]
