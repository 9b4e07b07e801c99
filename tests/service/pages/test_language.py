"""The page in another language, chosen by the browser or by hand; ambiguous words."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Page, Route, expect

from .stub_server import Stub
from .test_bench import picture, put_on_bench, stroke
from .test_composing import draw, ready
from .test_drawing import drawn_elsewhere

TORCH = "a torch on the beach"


def test_the_page_speaks_the_browsers_language(browser: Browser, address: str) -> None:
    context = browser.new_context(base_url=address, locale="es-ES", reduced_motion="reduce")
    page = context.new_page()
    page.goto("/")
    expect(page.locator("#draw")).to_have_text("Dibujar")
    expect(page.locator("html")).to_have_attribute("lang", "es")
    expect(page.get_by_label("\u00bfQu\u00e9 dibujo?")).to_be_visible()
    expect(page.locator("#find")).to_have_attribute("placeholder", "Buscar en las frases")
    context.close()


def test_words_that_do_not_come_at_once_are_asked_for_again(page: Page, complaints: list[str]) -> None:
    failed: list[str] = []

    def fail_twice(route: Route) -> None:
        if len(failed) == 2:
            route.continue_()
            return
        failed.append(route.request.url)
        route.fulfill(status=503) if len(failed) == 1 else route.fulfill(status=200, body="{cut")

    page.route("**/pages/language.json*", fail_twice)
    page.reload()
    ready(page)
    assert len(failed) == 2
    assert all("503" in complaint for complaint in complaints)
    complaints.clear()
    page.click("#draw")
    expect(page.locator("#prompt-error")).not_to_contain_text("error.")
    expect(page.locator("#language option")).not_to_have_count(0)


def test_the_language_is_chosen_and_remembered(page: Page) -> None:
    ready(page)
    page.select_option("#language", "es")
    expect(page.locator("#draw")).to_have_text("Dibujar")
    page.reload()
    expect(page.locator("#draw")).to_have_text("Dibujar")
    page.select_option("#language", "en")
    expect(page.locator("#draw")).to_have_text("Draw")


def test_how_a_word_was_read_is_told_and_changed_with_one_tap(page: Page, stub: Stub) -> None:
    stub.senses = {"torch": ["torch", "flashlight"]}
    stub.country_reads = {"torch": "flashlight"}
    ready(page)
    draw(page, TORCH)
    expect(page.locator("#reading")).to_contain_text("\u201ctorch\u201d was read as \u201cflashlight\u201d.")
    page.get_by_role("button", name="Read it as \u201ctorch\u201d").click()
    expect(page.locator("#reading")).to_contain_text("\u201ctorch\u201d has several senses.")
    first, second = stub.sent
    assert "readings" not in first and second["readings"] == {"torch": "torch"}
    assert second["seed"] == next(iter(stub.jobs.values())).images[0]["seed"]
    draw(page, "a red torch")
    assert stub.sent[-1]["readings"] == {"torch": "torch"}, "the choice is remembered"
    draw(page, "a red apple")
    assert "readings" not in stub.sent[-1]
    expect(page.locator("#reading")).to_be_hidden()


def test_english_stays_where_the_words_do_not_come(page: Page, complaints: list[str]) -> None:
    ready(page)
    page.route("**/pages/language.json*", lambda route: route.fulfill(status=503))
    page.reload()
    ready(page)
    expect(page.locator("#draw")).to_have_text("Draw")
    expect(page.locator("#find")).to_have_attribute("placeholder", "Search in prompts")
    complaints.clear()


def test_english_is_shown_where_a_module_does_not_come(browser: Browser, address: str) -> None:
    context = browser.new_context(base_url=address, locale="es-ES", reduced_motion="reduce")
    page = context.new_page()
    page.route("**/pages/main.js", lambda route: route.abort())
    page.goto("/")
    expect(page.locator("#draw")).to_be_hidden()
    page.evaluate("document.getAnimations().forEach((one) => one.finish())")
    expect(page.locator("#draw")).to_be_visible()
    context.close()


def test_what_was_begun_is_there_in_the_other_language(page: Page, stub: Stub, photo: Path) -> None:
    stub.others = {"birds": {}}
    stub.sizes = [{"width": 128, "height": 128}, {"width": 192, "height": 128}]
    page.reload()
    put_on_bench(page, photo)
    page.check("[name=way][value=paint]")
    stroke(page, (0.4, 0.5), (0.6, 0.5))
    page.click("#invert")
    page.click("#settings")
    page.select_option("#model", "birds")
    page.select_option("#size", "192x128")
    page.fill("#seed", "7")
    page.fill("#negative", "snow")
    page.locator("#steps").fill("12")
    page.get_by_role("radio", name="Four").check(force=True)
    page.click("#draw")
    expect(page.locator(".wall button")).to_have_count(4)
    page.select_option("#language", "es")
    expect(page.locator("#draw")).to_have_text("Dibujar")
    expect(page.locator("#bench-open")).to_have_attribute("data-changed", "1")
    page.click("#draw")
    expect(page.locator(".wall button")).to_have_count(8)
    first, second = stub.sent
    assert (picture(stub, first.pop("mask")) == picture(stub, second.pop("mask"))).all()
    assert first == second and first["model"] == "birds" and "image" in first
    page.reload()
    expect(page.locator("#model")).to_have_value("birds")
    expect(page.locator("#lock")).to_have_attribute("aria-pressed", "false")
    assert page.locator("#bench-open").get_attribute("data-changed") is None, "it is taken up once"


def test_a_model_that_was_chosen_and_is_gone_is_not_asked_for(page: Page, stub: Stub) -> None:
    stub.others = {"birds": {}, "parti": {}}
    page.reload()
    ready(page)
    page.click("#settings")
    page.select_option("#model", "birds")
    del stub.others["birds"]
    page.reload()
    ready(page)
    expect(page.locator("#model")).to_have_value("storybook")


def test_how_a_picture_was_read_is_taken_over_until_other_words_are_asked_for(page: Page, stub: Stub) -> None:
    stub.senses = {"torch": ["torch", "flashlight"]}
    stub.country_reads = {"torch": "torch"}
    drawn_elsewhere(stub, prompt=TORCH)
    page.evaluate("localStorage.setItem('limner.readings', JSON.stringify({ torch: 'flashlight' }))")
    page.reload()
    page.locator(".wall button").click()
    page.click("#use-all")
    page.click("#draw")
    expect(page.locator(".wall button")).to_have_count(2)
    draw(page, "a red torch")
    assert [one["readings"]["torch"] for one in stub.sent] == ["torch", "flashlight"]
