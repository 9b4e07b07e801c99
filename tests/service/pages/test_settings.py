"""The seed on the page: kept, let go, and that of a variation."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .stub_server import Stub
from .test_composing import APPLE, draw, ready


def test_a_seed_that_is_to_be_kept_before_there_is_one_is_the_next_one(page: Page, stub: Stub) -> None:
    ready(page)
    page.click("#settings")
    page.click("#lock")
    draw(page, APPLE)
    (first,) = stub.jobs.values()
    expect(page.locator("#seed")).to_have_value(str(first.request["seed"]))
    expect(page.locator("#settings")).to_have_attribute("data-changed", "1")
    page.click("#draw")
    expect(page.locator(".wall img")).to_have_count(2)
    assert [one.get("seed") for one in stub.sent] == [None, first.request["seed"]]


def test_the_seed_of_what_is_shown_again_can_be_kept(page: Page, stub: Stub) -> None:
    ready(page)
    draw(page, APPLE)
    (first,) = stub.jobs.values()
    page.reload()
    expect(page.locator("#seed")).to_have_value(str(first.request["seed"]))


def test_a_new_seed_that_is_kept_is_not_varied_as_an_old_one_was(page: Page, stub: Stub) -> None:
    ready(page)
    draw(page, APPLE)
    page.click("#alike")
    expect(page.locator(".wall img")).to_have_count(5)
    page.locator(".tile").first.click()
    page.click("#use-all")
    page.click("#lock")
    page.click("#draw")
    expect(page.locator(".wall img")).to_have_count(6)
    drawn = list(stub.jobs.values())[-1].request["seed"]
    expect(page.locator("#seed")).to_have_value(str(drawn))
    page.click("#lock")
    page.click("#draw")
    expect(page.locator(".wall img")).to_have_count(7)
    assert stub.sent[-1]["seed"] == drawn
    assert not {"variation_seed", "variation_strength"} & stub.sent[-1].keys()
