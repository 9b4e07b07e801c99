"""My pictures: searched, pinned, deleted, and what they come from."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from .stub_server import Stub
from .test_composing import APPLE, draw, ready
from .waiting import until

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
    assert page.locator("#viewer-pin").get_attribute("aria-pressed") is None, "its label says it"
    page.keyboard.press("Escape")
    expect(page.locator(".wall li[data-pinned]")).to_have_count(1)
    wall = page.locator(".wall")
    expect(wall.get_by_role("button", name=f"{APPLE} Pinned", exact=True)).to_have_count(1)
    expect(wall.get_by_role("button", name=HOUSE, exact=True)).to_have_count(1)
    page.reload()
    page.get_by_role("button", name="Pinned", exact=True).click()
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
    page.get_by_role("button", name="The picture it was made from").press("Enter")
    expect(page.locator("#viewer-title")).to_have_text(APPLE)
    expect(page.locator("#viewer-title")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#viewer-title")).to_have_text(HOUSE)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer-canvas img")).to_have_attribute("src", first["url"])
    page.locator("#viewer-kin").get_by_role("button", name=HOUSE).click()
    expect(page.locator("#viewer-title")).to_have_text(HOUSE)


@pytest.mark.parametrize("edits", [True, False])
def test_a_picture_that_was_varied_or_told_in_other_words_shows_where_it_comes_from(
    page: Page, stub: Stub, edits: bool
) -> None:
    stub.edits = edits
    page.reload()
    ready(page)
    draw(page, APPLE)
    first = next(iter(stub.jobs.values())).images[0]
    page.click("#alike")
    expect(page.locator(".wall img")).to_have_count(5)
    page.locator(".wall button").last.click()
    expect(page.locator("#viewer-kin").get_by_role("button", name=APPLE)).to_have_count(4)
    page.click("#viewer-reword")
    page.fill("#prompt", HOUSE)
    page.keyboard.press("Enter")
    expect(page.locator(".wall img")).to_have_count(6)
    page.locator(".wall button").first.click()
    expect(page.locator("#viewer-title")).to_have_text(HOUSE)
    page.get_by_role("button", name="The picture it was made from").click()
    expect(page.locator("#viewer-canvas img")).to_have_attribute("src", first["url"])
    expect(page.locator("#viewer-kin").get_by_role("button")).to_have_count(5)
    page.keyboard.press("Escape")
    page.click("#again")
    expect(page.locator(".wall img")).to_have_count(8)
    assert [one["derived_from"] for one in stub.sent[1:]] == [first["id"], first["id"], None, None]


def test_others_pictures_are_not_among_an_admins_own(page: Page, stub: Stub) -> None:
    theirs = stub.add({"prompt": HOUSE, "seed": 1, "steps": 1})
    theirs.mine = False
    stub.draw(theirs)
    page.reload()
    ready(page)
    expect(page.locator("#frame")).to_have_attribute("data-state", "empty")
    draw(page, APPLE)
    expect(page.locator(".wall img")).to_have_count(1)
    own = next(job for job in stub.jobs.values() if job.mine)
    theirs.images = own.images  # the same picture, drawn for both
    page.locator(".wall button").click()
    for _ in range(2):
        page.click("#viewer-delete")
    expect(page.locator("#viewer")).to_be_hidden()
    assert list(stub.jobs.values()) == [theirs]


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
    page.locator("#more").press("Enter")
    expect(page.locator(".wall img")).to_have_count(30)
    expect(page.locator(".wall button").nth(24)).to_be_focused()
    complaints.clear()


def test_a_search_is_no_longer_than_the_service_takes(page: Page) -> None:
    page.evaluate("document.getElementById('history').hidden = false")
    page.focus("#find")
    page.keyboard.insert_text("x" * 300)
    expect(page.locator("#find")).to_have_value("x" * 200)


def test_a_wall_that_cannot_be_loaded_says_why_and_tries_again(
    page: Page, stub: Stub, complaints: list[str]
) -> None:
    stub.draw(stub.add({"prompt": APPLE, "seed": 1, "steps": 1}))
    page.route("**/v1/pins", lambda route: route.fulfill(status=503, json={"detail": "away"}))
    page.reload()
    expect(page.locator("#toast")).to_have_text("The service cannot do this just now (away).")
    page.unroute("**/v1/pins")
    page.click("#more")
    expect(page.locator(".wall img")).to_have_count(1)
    complaints.clear()


def test_a_wall_whose_last_picture_is_gone_begins_anew(page: Page, stub: Stub, complaints: list[str]) -> None:
    stub.step_seconds = 0
    for seed in range(30):
        stub.draw(stub.add({"prompt": APPLE, "seed": seed, "steps": 1}))
    page.set_viewport_size({"width": 390, "height": 500})
    last = list(stub.jobs)[6]
    gone = f"**/v1/jobs?*before={last}*"
    page.route(gone, lambda route: route.fulfill(status=404, json={"detail": "no such job"}))
    page.reload()
    expect(page.locator(".wall img")).to_have_count(24)
    del stub.jobs[last]
    page.locator("#more").scroll_into_view_if_needed()
    expect(page.locator(f".wall li[data-job='{last}']")).to_have_count(0)
    page.locator("#more").scroll_into_view_if_needed()
    expect(page.locator(".wall img")).to_have_count(29)
    complaints.clear()


def test_what_it_was_made_from_opens_also_after_another_was_hung(page: Page, stub: Stub) -> None:
    ready(page)
    draw(page, APPLE)
    page.click("#work")
    expect(page.locator("#easel")).to_be_visible()
    draw(page, HOUSE)
    stub.hold_after = 1
    page.fill("#prompt", "a green tree")
    page.click("#draw")
    page.locator(".wall").get_by_role("button", name=HOUSE).click()
    source = page.get_by_role("button", name="The picture it was made from")
    expect(source).to_be_visible()
    stub.hold_after = None
    expect(page.locator(".wall img")).to_have_count(3)
    source.click()
    expect(page.locator("#viewer-title")).to_have_text(APPLE)


def test_the_focus_goes_on_to_the_next_picture_when_one_is_deleted(page: Page) -> None:
    ready(page)
    for prompt in (APPLE, HOUSE, "a green tree"):
        draw(page, prompt)
    wall = page.locator(".wall button")
    for place, following in ((1, APPLE), (1, "a green tree")):
        wall.nth(place).focus()
        page.keyboard.press("Enter")
        for _ in range(2):
            page.locator("#viewer-delete").press("Enter")
        expect(page.locator("#viewer")).to_be_hidden()
        expect(page.locator(".wall").get_by_role("button", name=following)).to_be_focused()
    page.fill("#find", "tree")
    page.locator(".wall button").press("Enter")
    for _ in range(2):
        page.locator("#viewer-delete").press("Enter")
    expect(page.locator("#find")).to_be_focused()
    page.fill("#find", "")
    expect(page.locator("#history")).to_be_hidden()
    draw(page, APPLE)
    page.locator(".wall button").press("Enter")
    for _ in range(2):
        page.locator("#viewer-delete").press("Enter")
    expect(page.locator("#history")).to_be_hidden()
    expect(page.locator("#prompt")).to_be_focused()


def test_a_picture_that_does_not_come_is_asked_for_again(page: Page, complaints: list[str]) -> None:
    page.clock.install()
    ready(page)
    page.route("**/v1/images/*", lambda route: route.abort())
    draw(page, APPLE)
    page.locator(".wall button").click()
    for one in (".wall img", "#viewer-canvas img"):
        until(page, f"document.querySelector('{one}').complete")
    expect(page.locator(".tile img.preview")).to_have_count(1)
    expect(page.locator(".tile img.final")).to_have_count(0)
    page.unroute("**/v1/images/*")
    page.clock.fast_forward(2000)
    for one in (".tile img.final", ".wall img", "#viewer-canvas img"):
        until(page, f"document.querySelector('{one}')?.naturalWidth > 0")
    expect(page.locator(".tile img.preview")).to_have_count(0)
    complaints.clear()


def test_the_arrow_keys_go_on_at_the_last_picture(page: Page) -> None:
    ready(page)
    draw(page, APPLE)
    draw(page, HOUSE)
    page.locator(".wall button").first.click()
    page.locator("#older").press("Enter")
    expect(page.locator("#viewer-title")).to_have_text(APPLE)
    expect(page.locator("#older")).to_be_disabled()
    expect(page.locator("#older")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#viewer-title")).to_have_text(HOUSE)
    expect(page.locator("#newer")).to_be_disabled()


KEPT = """async ([url, wanted]) => {
  for (let tries = 0; ; tries += 1) {
    const kept = Boolean(await caches.match(url, { ignoreVary: true }));
    if (kept === wanted || tries > 100) return kept;
    await new Promise((go) => setTimeout(go, 50));
  }
}"""
"""Whether the browser keeps a picture, once it is as wanted or after five seconds."""


def test_the_browser_does_not_keep_a_picture_that_was_deleted(browser: Browser, address: str) -> None:
    context = browser.new_context(base_url=address, reduced_motion="reduce")
    page = context.new_page()
    page.goto("/")
    ready(page)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    ready(page)
    draw(page, APPLE)
    url = page.locator(".wall img").get_attribute("src")
    assert page.evaluate(KEPT, [url, True])
    page.locator(".wall button").click()
    for _ in range(2):
        page.click("#viewer-delete")
    expect(page.locator("#viewer")).to_be_hidden()
    assert not page.evaluate(KEPT, [url, False])
    context.close()
