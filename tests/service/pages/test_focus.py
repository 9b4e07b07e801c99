"""Where the focus of the keyboard goes when what had it goes away."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from .stub_server import Stub
from .test_drawing import APPLE, finished, write


def test_a_drawing_takes_the_focus_of_the_tile_whose_picture_is_varied(page: Page, stub: Stub) -> None:
    write(page, APPLE)
    page.click("#draw")
    finished(page)
    stub.hold_after = 2
    page.focus(".tile")
    page.keyboard.press("Enter")
    page.focus("#viewer-alike")
    page.keyboard.press("Enter")
    expect(page.locator("#cancel")).to_be_focused()
    stub.hold_after = None
    finished(page, 4)
    expect(page.locator("#draw")).to_be_focused()


def test_a_drawing_takes_the_focus_of_another_reading(page: Page, stub: Stub) -> None:
    stub.senses = {"torch": ["torch", "flashlight"]}
    stub.country_reads = {"torch": "flashlight"}
    write(page, "a torch on the beach")
    page.click("#draw")
    finished(page)
    stub.hold_after = 2
    page.focus("#reading button")
    page.keyboard.press("Enter")
    expect(page.locator("#cancel")).to_be_focused()
    stub.hold_after = None
    finished(page)


def test_the_next_word_takes_the_focus_of_the_one_that_was_replaced(page: Page) -> None:
    write(page, "a red appl and a gren umbrela ")
    chips = page.locator("#unknown button")
    expect(chips).to_have_count(3)
    chips.first.focus()
    page.keyboard.press("Enter")
    expect(chips).to_have_count(2)
    expect(page.locator("#live")).to_have_text("apple instead of appl")
    expect(chips.first).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(chips).to_have_count(1)
    expect(chips.first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#prompt")).to_be_focused()


def test_the_bench_hands_the_focus_on(page: Page, photo: Path) -> None:
    write(page, APPLE)
    page.click("#bench-open")
    page.focus("#file")
    page.set_input_files("#file", photo)
    expect(page.locator("[name=way]").first).to_be_focused()
    page.check("[name=way][value=paint]")
    page.locator("#over").press(" ")
    undo = page.locator("#undo")
    expect(undo).to_have_attribute("aria-disabled", "false")
    undo.press("Enter")
    expect(undo).to_have_attribute("aria-disabled", "true")
    expect(undo).to_be_focused()
    page.locator("#unload").press("Enter")
    expect(page.locator("#file")).to_be_focused()


def test_the_prompt_takes_the_focus_of_what_ends_other_words(page: Page) -> None:
    write(page, APPLE)
    page.click("#draw")
    finished(page)
    page.click("#reword")
    page.locator("#wording-close").press("Enter")
    expect(page.locator("#wording")).to_be_hidden()
    expect(page.locator("#prompt")).to_be_focused()
