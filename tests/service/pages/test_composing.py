"""Writing on the page: unknown words, the words it knows, ideas; what was made; light and dark."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from .stub_server import Stub

APPLE = "a red apple on a wooden table"


def ready(page: Page) -> None:
    expect(page.locator("#small")).to_be_visible()


def draw(page: Page, text: str) -> None:
    page.fill("#prompt", text)
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text(text)
    expect(page.locator("#draw")).to_be_visible()
    expect(page.locator("#frame")).to_have_attribute("data-state", "done")


def test_unknown_words_are_marked_as_one_types(page: Page) -> None:
    ready(page)
    page.locator("#prompt").press_sequentially("3 Red apples and a xylophone, xyl")
    expect(page.locator("#mirror mark")).to_have_text(["xylophone", "xyl"])
    expect(page.locator("#unknown button")).to_have_text(["xylophone", "xyl"])
    expect(page.locator("#live")).to_have_text("Not learned: xylophone, xyl")


def test_a_word_that_is_still_being_typed_is_left_in_peace(page: Page) -> None:
    ready(page)
    page.locator("#prompt").press_sequentially("a red appl")
    expect(page.locator("#mirror mark")).to_have_count(0)
    page.locator("#prompt").press_sequentially(" ")
    expect(page.locator("#mirror mark")).to_have_text(["appl"])
    page.get_by_role("button", name="Replace appl by apple").click()
    expect(page.locator("#prompt")).to_have_value("a red apple ")
    expect(page.locator("#unknown")).to_be_hidden()


def test_marks_lie_exactly_under_their_words(page: Page) -> None:
    ready(page)
    page.fill("#prompt", "a red apple and a xylophone " * 6)
    boxes = page.evaluate(
        """() => ['prompt', 'mirror'].map((id) => {
            const e = document.getElementById(id), s = getComputedStyle(e), r = e.getBoundingClientRect();
            return [r.x, r.y, r.width, r.height, s.font, s.padding, s.letterSpacing, s.lineHeight].join();
        })"""
    )
    assert boxes[0] == boxes[1]
    assert page.locator("#prompt").evaluate("t => t.scrollHeight <= t.clientHeight")


def test_a_known_word_stands_in_for_an_unknown_one(page: Page) -> None:
    ready(page)
    page.fill("#prompt", "a xylophone on a table")
    page.get_by_role("button", name="xylophone: choose a known word instead").click()
    expect(page.locator("#swap")).to_contain_text("xylophone")
    page.fill("#search", "umbr")
    page.locator("#groups").get_by_role("button", name="umbrella", exact=True).click()
    expect(page.locator("#prompt")).to_have_value("a umbrella on a table")
    expect(page.locator("#unknown")).to_be_hidden()


def test_words_are_grouped_and_go_in_at_the_caret(page: Page) -> None:
    ready(page)
    page.fill("#prompt", "a apple")
    page.locator("#prompt").evaluate("t => t.setSelectionRange(1, 1)")
    page.click("#words")
    headings = page.locator("#groups h3").all_text_contents()
    assert headings[:2] == ["Things", "Colours"] and "Places" in headings
    page.locator("#groups").get_by_role("button", name="red", exact=True).click()
    expect(page.locator("#prompt")).to_have_value("a red apple")
    page.fill("#search", "qqq")
    expect(page.locator("#groups")).to_contain_text("It has not learned “qqq”")


def test_an_idea_is_a_sentence_that_it_knows(page: Page) -> None:
    ready(page)
    page.click("#idea")
    expect(page.locator("#prompt")).not_to_have_value("")
    expect(page.locator("#unknown")).to_be_hidden()
    page.locator(".starters button").first.click()
    expect(page.locator(".tile img.final")).to_have_count(1)


def test_ideas_are_those_of_the_model_that_is_chosen(page: Page, stub: Stub) -> None:
    stub.others = {"birds": {}}
    page.reload()
    ready(page)
    page.click("#settings")
    page.select_option("#model", "birds")
    expect(page.locator(".starters button").first).to_contain_text("bird")
    expect(page.locator("#prompt")).to_have_attribute("placeholder", re.compile("bird"))
    page.click("#idea")
    expect(page.locator("#prompt")).to_have_value(re.compile("bird"))


def test_a_late_answer_does_not_bring_back_the_ideas_of_another_model(page: Page, stub: Stub) -> None:
    stub.others = {"birds": {}}
    held: list[Route] = []
    page.route(
        "**/v1/ideas?*",
        lambda route: route.continue_() if "birds" in route.request.url else held.append(route),
    )
    with page.expect_request("**/v1/ideas?*"):
        page.reload()
    ready(page)
    page.click("#settings")
    page.select_option("#model", "birds")
    expect(page.locator(".starters button").first).to_contain_text("bird")
    with page.expect_response("**/v1/ideas?*") as late:
        held[0].continue_()
    late.value.finished()
    page.evaluate("() => new Promise(requestAnimationFrame)")
    expect(page.locator(".starters button").first).to_contain_text("bird")


def test_what_was_made_is_shown_large_and_can_be_used(page: Page, stub: Stub) -> None:
    ready(page)
    draw(page, APPLE)
    draw(page, "a blue house in the snow")
    page.reload()
    expect(page.locator(".wall img")).to_have_count(2)
    first = next(iter(stub.jobs.values()))
    page.get_by_role("button", name=APPLE).last.click()
    expect(page.locator("#viewer-title")).to_have_text(APPLE)
    expect(page.locator("#viewer-facts")).to_contain_text(str(first.request["seed"]))
    page.click("#use-prompt")
    expect(page.locator("#prompt")).to_have_value(APPLE)
    page.locator(".wall button").last.click()
    page.click("#use-all")
    page.click("#draw")
    expect(page.locator(".wall img")).to_have_count(3)
    assert list(stub.jobs.values())[-1].request == first.request


def test_the_wall_grows_as_one_scrolls(page: Page, stub: Stub) -> None:
    stub.step_seconds = 0
    for number in range(60):
        stub.draw(stub.add({"prompt": f"{number} red apples", "steps": 1}))
    page.reload()
    expect(page.locator(".wall img").first).to_be_visible()
    for _ in range(3):
        page.mouse.wheel(0, 4000)
        page.wait_for_timeout(150)
    expect(page.locator(".wall img")).to_have_count(60)
    expect(page.locator("#more")).to_be_hidden()


def test_the_small_model_says_what_it_is_and_where_its_card_is(page: Page) -> None:
    expect(page.locator("#small")).to_contain_text("A small model")
    expect(page.locator("#card")).to_have_attribute("href", "/v1/models/storybook/1/card")


def test_several_sizes_can_be_chosen(page: Page, stub: Stub) -> None:
    stub.sizes = [{"width": 128, "height": 128}, {"width": 192, "height": 128}]
    page.reload()
    ready(page)
    page.click("#settings")
    page.select_option("#size", "192x128")
    draw(page, APPLE)
    assert next(iter(stub.jobs.values())).request["width"] == 192


def test_the_theme_follows_the_system_until_it_is_chosen(page: Page) -> None:
    def wall() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = wall()
    page.emulate_media(color_scheme="dark")
    dark = wall()
    assert light != dark
    expect(page.locator("#theme")).to_have_attribute("aria-pressed", "true")
    page.click("#theme")
    assert wall() == light
    page.reload()
    assert wall() == light
    page.emulate_media(color_scheme="light")
    page.click("#theme")
    page.reload()
    assert wall() == dark


def _contrast(one: list[float], other: list[float]) -> float:
    def luminance(rgb: list[float]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_readable(page: Page, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: text stands out from what is behind it by 4.5 to 1."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    pairs = [("ink", "wall"), ("soft", "wall"), ("soft", "card"), ("soft", "blank"), ("strange", "card"),
             ("strange", "wall"), ("error", "wall"), ("lapis-ink", "wall"), ("lapis-ink", "lapis-wash"),
             ("ink", "mat"), ("lapis", None)]  # fmt: skip
    for text, behind in pairs:
        shown = page.evaluate(
            """(names) => names.map((name) => {
                const e = document.createElement('span');
                document.body.append(e);
                e.style.color = name ? `var(--${name})` : '#fff';
                const rgb = getComputedStyle(e).color.match(/[0-9.]+/g).map(Number);
                e.remove();
                return rgb;
            })""",
            [text, behind],
        )
        assert _contrast(shown[0], shown[1]) >= 4.5, (text, behind)


def test_the_policy_stops_foreign_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text))
    page.goto(address)
    page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.text = 'window.bad = 1';
            document.body.append(script);
        }"""
    )
    assert page.evaluate("() => window.bad") is None
    assert any("Content Security Policy" in text for text in blocked)
    context.close()
