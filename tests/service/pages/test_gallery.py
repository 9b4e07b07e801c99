"""My pictures: searched, pinned, deleted, and what they come from."""

from __future__ import annotations

from playwright.sync_api import Page, Route, expect

from .stub_server import Stub
from .test_composing import APPLE, draw, ready

HOUSE = "a blue house in the snow"


def test_pictures_are_found_by_their_words(page: Page, stub: Stub) -> None:
    ready(page)
    draw(page, APPLE)
    draw(page, HOUSE)
    page.fill("#find", "house")
    expect(page.locator(".wall img")).to_have_count(1)
    expect(page.locator(".wall img")).to_have_attribute("alt", HOUSE)
    page.fill("#find", "zebra")
    expect(page.locator("#nothing")).to_be_visible()
    page.fill("#find", "")
    expect(page.locator(".wall img")).to_have_count(2)
    expect(page.locator("#nothing")).to_be_hidden()


def test_a_pin_is_seen_on_the_wall_and_stays(page: Page, stub: Stub) -> None:
    ready(page)
    draw(page, APPLE)
    draw(page, HOUSE)
    page.get_by_role("button", name=APPLE).last.click()
    page.click("#viewer-pin")
    expect(page.locator("#viewer-pin")).to_have_text("Unpin")
    page.keyboard.press("Escape")
    expect(page.locator(".wall li[data-pinned]")).to_have_count(1)
    page.reload()
    page.get_by_role("button", name="Pinned").click()
    expect(page.locator(".wall img")).to_have_count(1)
    expect(page.locator(".wall img")).to_have_attribute("alt", APPLE)
    page.locator(".wall button").click()
    page.click("#viewer-pin")
    expect(page.locator("#viewer-pin")).to_have_text("Pin")
    assert stub.pins == []


def test_deleting_asks_once_more(page: Page, stub: Stub) -> None:
    ready(page)
    draw(page, APPLE)
    draw(page, HOUSE)
    page.locator(".tile").click()
    page.click("#viewer-delete")
    expect(page.locator("#viewer-delete")).to_have_text("Really delete it?")
    assert len(stub.jobs) == 2
    page.click("#viewer-delete")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#frame")).to_have_attribute("data-state", "empty")
    expect(page.locator(".wall img")).to_have_count(1)
    assert [job.request["prompt"] for job in stub.jobs.values()] == [APPLE]


def test_one_picture_of_several_is_deleted_and_the_others_stay(page: Page, stub: Stub) -> None:
    ready(page)
    page.get_by_role("radio", name="Four").check(force=True)
    draw(page, APPLE)
    (drawing,) = stub.jobs.values()
    gone = drawing.images[1]["id"]
    page.locator(f".wall li[data-image='{gone}'] button").click()
    for _ in range(2):
        page.click("#viewer-delete")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator(".wall img")).to_have_count(3)
    assert len(drawing.images) == 3 and gone not in {shown["id"] for shown in drawing.images}


def test_a_picture_shows_what_it_was_made_from_and_what_was_made_from_it(page: Page, stub: Stub) -> None:
    ready(page)
    draw(page, APPLE)
    first = next(iter(stub.jobs.values())).images[0]
    page.click("#work")
    expect(page.locator("#easel")).to_be_visible()
    draw(page, HOUSE)
    page.locator(".tile").click()
    page.get_by_role("button", name="The picture it was made from").click()
    expect(page.locator("#viewer-title")).to_have_text(APPLE)
    expect(page.locator("#viewer-canvas img")).to_have_attribute("src", first["url"])
    page.locator("#viewer-kin").get_by_role("button", name=HOUSE).click()
    expect(page.locator("#viewer-title")).to_have_text(HOUSE)


def test_what_is_said_over_a_large_picture_is_seen(page: Page, stub: Stub) -> None:
    ready(page)
    draw(page, APPLE)
    page.locator(".tile").click()
    page.click("#viewer-copy")
    expect(page.locator("#viewer #toast")).to_have_class("toast shown")
    box = page.locator("#toast").bounding_box()
    assert box is not None
    middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    above = page.evaluate(
        "([x, y]) => { const t = document.getElementById('toast');"
        "t.style.pointerEvents = 'auto'; return t.contains(document.elementFromPoint(x, y)); }",
        middle,
    )
    assert above


def test_a_wall_that_cannot_be_loaded_further_is_not_asked_again_and_again(
    page: Page, stub: Stub, complaints: list[str]
) -> None:
    stub.step_seconds = 0
    for seed in range(30):
        stub.draw(stub.add({"prompt": APPLE, "seed": seed, "n": 1, "steps": 1}))
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, json={"detail": "away"})

    page.route("**/v1/jobs?*before=*", refuse)
    page.reload()
    expect(page.locator(".wall img")).to_have_count(24)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator("#more")).to_be_visible()
    page.wait_for_timeout(1500)
    assert 1 <= len(asked) <= 3
    page.unroute("**/v1/jobs?*before=*")
    page.click("#more")
    expect(page.locator(".wall img")).to_have_count(30)
    complaints.clear()
