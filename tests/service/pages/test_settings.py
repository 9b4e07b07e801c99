"""The settings on the page: the seed, what only some models take, what is wrong with a setting."""

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


def test_a_model_of_tokens_takes_a_temperature_and_top_k(page: Page, stub: Stub) -> None:
    stub.others["parti"] = {
        "defaults": stub.defaults | {"steps": 16, "temperature": 0.9, "top_k": 32},
        "limits": stub.limits | {"steps": [16, 16], "temperature": [0, 10], "top_k": [1, 65536]},
    }
    page.reload()
    ready(page)
    page.click("#settings")
    temperature, top_k = page.locator("#temperature"), page.locator("#top-k")
    expect(temperature).to_be_hidden()
    page.select_option("#model", "parti")
    expect(temperature).to_have_value("0.9")
    expect(top_k).to_have_value("32")
    expect(page.locator("#settings")).not_to_have_attribute("data-changed", "1")
    temperature.fill("0.75")
    top_k.fill("8")
    draw(page, APPLE)
    (sent,) = stub.sent
    assert (sent["temperature"], sent["top_k"]) == (0.75, 8) and "steps" not in sent
    page.click("#copy")
    expect(page.locator("#toast")).to_have_text("Settings copied")
    assert "Temperature: 0.75, Top k: 8" in page.evaluate("navigator.clipboard.readText()")
    page.click("#defaults")
    expect(temperature).to_have_value("0.9")
    page.locator(".wall button").click()
    expect(page.locator("#viewer-facts")).to_contain_text("0.75")
    page.click("#use-all")
    expect(temperature).to_have_value("0.75")
    expect(top_k).to_have_value("8")


def test_the_best_of_several_is_asked_for_and_drawn_again_as_the_one_that_it_is(
    page: Page, stub: Stub
) -> None:
    ready(page)
    page.click("#settings")
    expect(page.locator("#best-of")).to_be_hidden()
    stub.defaults |= {"best_of": 1}
    stub.limits |= {"best_of": [1, 8]}
    page.reload()
    ready(page)
    page.click("#settings")
    best_of = page.locator("#best-of")
    expect(best_of).to_have_value("1")
    expect(page.locator("#settings")).not_to_have_attribute("data-changed", "1")
    best_of.fill("4")
    draw(page, APPLE)
    assert stub.sent[-1]["best_of"] == 4
    page.locator(".wall button").click()
    expect(page.locator("#viewer-facts")).to_contain_text("Best of")
    page.click("#use-all")
    expect(best_of).to_have_value("1")
    page.click("#alike")
    expect(page.locator(".wall img")).to_have_count(5)
    assert (stub.sent[-1]["best_of"], stub.sent[-1]["matcher"]) == (1, None)


def test_what_is_allowed_is_said_in_the_readers_language(page: Page, complaints: list[str]) -> None:
    ready(page)
    page.select_option("#language", "es")
    expect(page.locator("#draw")).to_have_text("Dibujar")
    ready(page)
    page.click("#settings")
    page.fill("#seed", "seven")
    page.fill("#prompt", APPLE)
    page.click("#draw")
    expect(page.locator("#seed-error")).to_have_text("Se permite: un n\u00famero entero de 0 a 4294967295.")
    assert len(complaints) == 1 and "422" in complaints.pop()


def test_what_a_setting_does_stands_under_it_and_is_read_with_it(page: Page, stub: Stub) -> None:
    stub.defaults |= {"temperature": 0.9, "top_k": 32, "best_of": 1}
    stub.limits |= {"temperature": [0, 10], "top_k": [1, 65536], "best_of": [1, 8]}
    page.reload()
    ready(page)
    page.click("#settings")
    for setting, hint in {
        "guidance": "Higher keeps closer to the words",
        "temperature": "Lower draws more surely, higher more freely",
        "top-k": "How many of the likeliest pieces it chooses among",
        "best-of": "Draws so many, and keeps the one that fits the words best",
    }.items():
        expect(page.locator(f"#{setting}")).to_have_accessible_description(hint)
        expect(page.locator("#settings-panel").get_by_text(hint)).to_be_visible()
