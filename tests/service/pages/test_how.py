"""How it works: the steps of the very picture, while it is drawn and afterwards."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .stub_server import Stub
from .test_composing import APPLE, draw, ready


def test_the_steps_of_this_picture_can_be_gone_through(page: Page, stub: Stub) -> None:
    stub.step_seconds = 0.03
    ready(page)
    draw(page, APPLE)
    page.click("#how-open")
    expect(page.locator("#how-words")).to_have_text(APPLE)
    expect(page.locator("#how-draw")).to_contain_text("20 times")
    expect(page.locator("#how-decode")).to_contain_text("16 \N{MULTIPLICATION SIGN} 16")
    expect(page.locator("#how-decode")).to_contain_text("128 \N{MULTIPLICATION SIGN} 128")
    expect(page.locator("#how-count")).to_have_text("Step 20 of 20")
    last = page.locator("#how-sketch").get_attribute("src")
    page.focus("#how-step")
    page.keyboard.press("Home")
    expect(page.locator("#how-seen")).to_contain_text("patches of colour")
    assert page.locator("#how-sketch").get_attribute("src") != last
    page.click("#how-play")
    expect(page.locator("#how-count")).to_have_text("Step 20 of 20")
    page.locator("#how-words .lit").nth(1).click()
    expect(page.locator("#how-lit canvas.veil")).to_be_visible()


def test_the_steps_arrive_while_it_is_drawn(page: Page, stub: Stub) -> None:
    stub.hold_after = 4
    ready(page)
    page.fill("#prompt", APPLE)
    page.click("#draw")
    expect(page.locator("#facts")).to_have_text("Step 4 of 20")
    page.click("#how-open")
    expect(page.locator("#how-count")).to_have_text("Step 4 of 20")
    expect(page.locator("#how-final")).to_be_hidden()
    stub.hold_after = None
    expect(page.locator("#how-count")).to_have_text("Step 20 of 20")
    expect(page.locator("#how-final")).to_be_visible()


def test_a_picture_that_was_not_watched_is_drawn_again(page: Page, stub: Stub) -> None:
    ready(page)
    draw(page, APPLE)
    page.reload()
    page.locator(".wall button").click()
    page.click("#viewer-how")
    expect(page.locator("#how-missed")).to_be_visible()
    expect(page.locator("#how-steps")).to_be_hidden()
    page.click("#how-again")
    expect(page.locator(".wall button")).to_have_count(2)
    first, second = stub.jobs.values()
    assert second.request["seed"] == first.images[0]["seed"]
    assert stub.sent[-1]["anew"] is True, (
        "else the service gives the picture that it has, and there are no steps"
    )
    page.click("#how-open")
    expect(page.locator("#how-steps")).to_be_visible()


def test_the_steps_of_the_best_of_several_are_those_of_drawing_it_again(page: Page, stub: Stub) -> None:
    stub.defaults |= {"best_of": 1}
    stub.limits |= {"best_of": [1, 8]}
    page.reload()
    ready(page)
    page.click("#settings")
    page.locator("#best-of").fill("3")
    draw(page, APPLE)
    (first,) = stub.jobs.values()
    expect(page.locator("#seed")).to_have_value(str(first.request["seed"]))
    page.click("#how-open")
    expect(page.locator("#how-missed")).to_be_visible()
    page.click("#how-again")
    expect(page.locator(".wall button")).to_have_count(2)
    assert (stub.sent[-1]["best_of"], stub.sent[-1]["matcher"]) == (1, None)
    page.click("#how-open")
    expect(page.locator("#how-steps")).to_be_visible()


def test_a_model_of_one_step_takes_all_the_noise_away_at_once(page: Page, stub: Stub) -> None:
    stub.defaults |= {"steps": 1}
    page.reload()
    ready(page)
    draw(page, APPLE)
    page.click("#how-open")
    expect(page.locator("#how-draw")).to_contain_text("taken away at once")


def test_each_family_tells_its_own_way(page: Page, stub: Stub) -> None:
    stub.others = {"birds": {"family": "attngan"}, "parti": {"family": "parti"}}
    page.reload()
    ready(page)
    page.click("#settings")
    how = page.locator("#how")
    for model, prompt, title, made in (
        ("birds", "a red bird", "From small to large", "There is no decoder."),
        ("parti", "a red house", "From the pieces to the picture", "only numbers"),
        ("storybook", "a red apple", "From the sketch to the picture", "small sketch"),
    ):
        page.select_option("#model", model)
        draw(page, prompt)
        page.click("#how-open")
        expect(how.get_by_role("heading", name=title)).to_be_visible()
        expect(page.locator("#how-decode")).to_contain_text(made)
        expect(page.locator("#how-decode")).to_contain_text("128 \N{MULTIPLICATION SIGN} 128")
        expect(how.get_by_text("Both learned")).to_have_count(1 if model == "birds" else 0)
        page.click("#how-close")


def test_where_steps_have_no_previews_nothing_is_offered_to_be_watched(page: Page, stub: Stub) -> None:
    stub.previews = False
    ready(page)
    draw(page, APPLE)
    page.click("#how-open")
    expect(page.locator("#how-unseen")).to_be_visible()
    expect(page.locator("#how-steps")).to_be_hidden()
    expect(page.locator("#how-again")).to_be_hidden()
