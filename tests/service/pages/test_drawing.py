"""Drawing on the page, in a real browser: previews, progress, cancel, four, again, errors, lost streams."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .stub_server import Stub

APPLE = "a red apple on a wooden table"
PHONE = pytest.mark.parametrize("page", [(390, 844)], ids=["phone"], indirect=True)


def write(page: Page, text: str) -> None:
    expect(page.locator("#small")).to_be_visible()
    page.fill("#prompt", text)


def finished(page: Page, count: int = 1) -> None:
    expect(page.locator(".tile img.final")).to_have_count(count)
    expect(page.locator("#draw")).to_be_visible()


def drawn_elsewhere(stub: Stub, **asked: Any) -> None:
    """What another client of the service has drawn."""
    stub.draw(stub.add({"prompt": APPLE, **asked}))


def test_a_picture_forms_from_its_previews_and_is_kept(page: Page, stub: Stub) -> None:
    stub.hold_after = 5
    write(page, APPLE)
    page.click("#draw")
    expect(page.locator("#facts")).to_have_text("Step 5 of 20")
    preview = page.locator(".tile img.preview").last
    expect(preview).to_have_attribute("src", re.compile("^data:image/png"))
    assert preview.evaluate("image => getComputedStyle(image).imageRendering") == "auto"
    assert page.locator("#frame").evaluate("f => f.style.getPropertyValue('--progress')") == "0.25"
    expect(page.locator("#live")).to_have_text("25 percent")
    stub.hold_after = None
    finished(page)
    (job,) = stub.jobs.values()
    expect(page.locator(".tile img.final")).to_have_attribute("alt", APPLE)
    expect(page.locator("#facts")).to_contain_text(f"Seed {job.request['seed']}")
    expect(page.locator("#live")).to_have_text("The picture is done.")
    expect(page.locator(".wall button")).to_have_count(1)
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == f"a-red-apple-on-a-wooden-table-{job.request['seed']}.png"


def test_a_word_shows_what_it_drew(page: Page, stub: Stub) -> None:
    write(page, APPLE)
    page.click("#draw")
    finished(page)
    assert stub.sent[0]["attention"] is True, "a small model tells it without being asked"
    words = page.locator("#title .lit")
    expect(words).to_have_count(7)
    expect(page.locator("#title")).to_have_text(APPLE)
    words.nth(1).hover()  # the second lights up the upper right corner
    veil = page.locator(".tile canvas.veil")
    expect(veil).to_be_visible()
    alphas = veil.evaluate(
        "c => [[1, 1], [6, 1], [1, 6]].map(([x, y]) => c.getContext('2d').getImageData(x, y, 1, 1).data[3])"
    )
    assert alphas[1] > 60 and alphas[0] > 150 and alphas[2] > 150, "dark but where the word drew"
    page.locator("#facts").hover()
    expect(veil).to_have_count(0)
    words.nth(2).click()
    expect(words.nth(2)).to_have_attribute("aria-pressed", "true")
    page.locator("#facts").hover()
    expect(veil).to_be_visible()
    words.nth(2).click()
    page.locator("#facts").hover()
    expect(veil).to_have_count(0)
    page.click("#settings")
    page.get_by_label("Show which word drew what").uncheck()
    page.click("#draw")
    finished(page)
    assert "attention" not in stub.sent[1]
    expect(words).to_have_count(0)
    page.reload()
    page.click("#settings")
    expect(page.get_by_label("Show which word drew what")).not_to_be_checked()


def test_the_same_prompt_by_several_models(page: Page, stub: Stub) -> None:
    one_step = {
        "defaults": {"steps": 1, "guidance_scale": None, "sampler": None},
        "limits": {"steps": [1, 1]},
    }
    stub.others = {"birds": one_step, "parti": {}, "fourth": {}}
    page.reload()
    write(page, APPLE)
    page.click("#settings")
    beside = page.locator("#besides")
    beside.get_by_label("Birds 1").check()
    beside.get_by_label("Parti 1").check()
    expect(beside.get_by_label("Fourth 1")).to_be_disabled()
    stub.hold_after = 1
    page.click("#draw")
    expect(page.locator(".tile")).to_have_count(3)
    assert page.locator(".tile .by").all_text_contents() == ["Storybook", "Birds", "Parti"]
    stub.hold_after = None
    finished(page, 3)
    assert [asked["model"] for asked in stub.sent] == ["storybook", "birds", "parti"]
    assert len({asked["seed"] for asked in stub.sent}) == 1, "one seed for all"
    assert "steps" in stub.sent[0] and "steps" not in stub.sent[1], "each as it prefers, but the chosen one"
    expect(page.locator("#facts")).to_contain_text("3 models")
    expect(page.locator("#save")).to_be_hidden()
    expect(page.locator(".wall button")).to_have_count(3)
    page.locator(".tile").nth(2).click()
    expect(page.locator("#viewer-facts")).to_contain_text("parti")
    page.keyboard.press("Escape")
    page.click("#again")
    finished(page, 3)
    assert len(stub.sent) == 6 and stub.sent[3]["seed"] != stub.sent[0]["seed"]


def test_cancelling_stops_all_models(page: Page, stub: Stub) -> None:
    stub.others = {"birds": {}}
    stub.hold_after = 2
    page.reload()
    write(page, APPLE)
    page.click("#settings")
    page.locator("#besides").get_by_label("Birds 1").check()
    page.click("#draw")
    expect(page.locator("#facts")).to_have_text("Step 2 of 20")
    page.click("#cancel")
    expect(page.locator("#facts")).to_have_text("Stopped")
    assert [job.state for job in stub.jobs.values()] == ["cancelled", "cancelled"]
    expect(page.locator("#draw")).to_be_visible()


def test_enter_draws_and_escape_cancels_without_a_mouse(page: Page, stub: Stub) -> None:
    stub.hold_after = 3
    expect(page.locator("#small")).to_be_visible()
    expect(page.locator("#prompt")).to_be_focused()
    page.keyboard.type(APPLE)
    page.keyboard.press("Enter")
    expect(page.locator("#facts")).to_have_text("Step 3 of 20")
    page.keyboard.press("Escape")
    expect(page.locator("#facts")).to_have_text("Stopped")
    assert [job.state for job in stub.jobs.values()] == ["cancelled"]
    expect(page.locator("#draw")).to_be_visible()
    stub.hold_after = None
    page.keyboard.press("Enter")
    finished(page)


def test_the_cancel_button_takes_and_gives_back_the_focus(page: Page, stub: Stub) -> None:
    stub.hold_after = 2
    write(page, APPLE)
    page.focus("#draw")
    page.keyboard.press("Enter")
    expect(page.locator("#cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#facts")).to_have_text("Stopped")
    expect(page.locator("#draw")).to_be_focused()


def test_every_control_shows_where_the_focus_is(page: Page) -> None:
    expect(page.locator(".starters button")).to_have_count(3)
    page.locator("body").press("Tab")
    seen = set()
    for _ in range(20):
        focused = page.evaluate(
            """() => {
                const at = document.activeElement;
                if (at === document.body) return null;
                const ring = (e) => e && getComputedStyle(e).outlineStyle !== 'none';
                const inPaper = at.matches('.paper:focus-within textarea');
                const name = at.id || at.textContent || at.value;
                return [name, ring(at) || ring(at.nextElementSibling) || inPaper];
            }"""
        )
        if focused is not None:
            seen.add(focused[0])
            assert focused[1], focused[0]
        page.keyboard.press("Tab")
    assert {"theme", "prompt", "draw", "idea", "words", "settings"} <= seen


def test_four_at_a_time_and_one_of_them_large(page: Page, stub: Stub) -> None:
    stub.hold_after = 4
    write(page, APPLE)
    page.get_by_role("radio", name="Four").check(force=True)
    page.click("#draw")
    for index in range(4):
        expect(page.locator(".tile").nth(index).locator("img.preview").first).to_be_visible()
    stub.hold_after = None
    finished(page, 4)
    page.locator(".tile").nth(2).click()
    (job,) = stub.jobs.values()
    expect(page.locator("#viewer-facts")).to_contain_text(str(job.images[2]["seed"]))
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer-facts")).to_contain_text(str(job.images[3]["seed"]))
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()


def test_draw_again_takes_a_new_seed_and_a_kept_seed_stays(page: Page, stub: Stub) -> None:
    write(page, APPLE)
    page.click("#settings")
    page.fill("#seed", "7")
    page.click("#draw")
    finished(page)
    page.click("#draw")
    expect(page.locator(".wall button")).to_have_count(2)
    page.click("#again")
    expect(page.locator(".wall button")).to_have_count(3)
    seeds = [job.request["seed"] for job in stub.jobs.values()]
    assert seeds[:2] == [7, 7] and seeds[2] != 7


def test_the_settings_are_sent_and_copied(page: Page, stub: Stub) -> None:
    write(page, APPLE)
    page.click("#settings")
    page.fill("#seed", "11")
    page.locator("#steps").fill("12")
    page.locator("#guidance").fill("6.5")
    page.fill("#negative", "snow")
    page.click("#draw")
    finished(page)
    (job,) = stub.jobs.values()
    assert job.request["steps"] == 12 and job.request["guidance_scale"] == 6.5
    assert "width" not in job.request or job.request["width"] == 128
    page.click("#copy")
    expect(page.locator("#toast")).to_have_text("Settings copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == (
        f"{APPLE}\nNegative prompt: snow\n"
        "Steps: 12, CFG scale: 6.5, Seed: 11, Size: 128x128, Model: storybook"
    )


def test_what_a_model_leaves_no_choice_of_is_neither_shown_nor_sent(page: Page, stub: Stub) -> None:
    stub.defaults = {"steps": 1, "guidance_scale": None, "sampler": None}
    stub.limits = {"steps": [1, 1]}
    page.reload()
    write(page, APPLE)
    page.click("#settings")
    for field in ("#steps", "#guidance", "#negative"):
        expect(page.locator(field)).to_be_hidden()
    expect(page.locator("#seed")).to_be_visible()
    expect(page.locator("#settings")).not_to_have_attribute("data-changed", "1")
    page.click("#draw")
    finished(page)
    (sent,) = stub.sent
    assert not {"steps", "guidance_scale", "negative_prompt"} & sent.keys()
    expect(page.locator("#facts")).to_contain_text("1 step")


def test_a_refusal_stands_beside_its_field(page: Page, complaints: list[str]) -> None:
    write(page, APPLE)
    page.click("#settings")
    page.fill("#seed", "seven")
    page.keyboard.press("Escape")
    page.click("#draw")
    expect(page.locator("#seed-error")).to_have_text("Allowed: a whole number from 0 to 4294967295.")
    expect(page.locator("#seed")).to_have_attribute("aria-invalid", "true")
    page.fill("#seed", "7")
    page.click("#draw")
    finished(page)
    expect(page.locator("#seed-error")).to_be_hidden()
    assert len(complaints) == 1 and "422" in complaints.pop()


def test_a_full_queue_an_empty_prompt_and_a_failed_drawing_are_said(
    page: Page, stub: Stub, complaints: list[str]
) -> None:
    write(page, "  ")
    page.click("#draw")
    expect(page.locator("#prompt-error")).to_contain_text("Say in a few words")
    stub.refuse = (429, {"detail": "The queue is full."})
    write(page, APPLE)
    expect(page.locator("#prompt-error")).to_be_hidden()
    page.click("#draw")
    expect(page.locator("#prompt-error")).to_have_text("The service has too much to do just now.")
    expect(page.locator("#draw")).to_be_visible()
    assert len(complaints) == 1 and "429" in complaints.pop()
    stub.refuse, stub.fail_drawing = None, "The model ran out of memory."
    page.click("#draw")
    expect(page.locator("#facts")).to_have_text("The model ran out of memory.")
    expect(page.locator("#draw")).to_be_visible()


def test_another_sentence_takes_the_place_of_the_one_being_drawn(page: Page, stub: Stub) -> None:
    stub.hold_after = 2
    write(page, APPLE)
    page.keyboard.press("Enter")
    expect(page.locator("#facts")).to_have_text("Step 2 of 20")
    page.keyboard.press("Enter")
    write(page, "a blue house in the snow")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text("a blue house in the snow")
    expect(page.locator("#facts")).to_have_text("Step 2 of 20")
    stub.hold_after = None
    finished(page)
    assert [job.state for job in stub.jobs.values()] == ["cancelled", "succeeded"]


@PHONE
def test_a_phone_never_scrolls_sideways(page: Page, stub: Stub) -> None:
    def fits() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") == 390

    expect(page.locator(".starters button")).to_have_count(3)
    fits()
    write(page, "incomprehensibilities " * 4 + "w" * 80)
    fits()
    page.click("#words")
    fits()
    page.click("#settings")
    fits()
    write(page, APPLE)
    page.get_by_role("radio", name="Four").check(force=True)
    page.click("#draw")
    finished(page, 4)
    fits()
    page.locator(".wall button").first.click()
    fits()
    assert page.locator("#viewer").evaluate("v => v.scrollWidth <= v.clientWidth")


def test_a_first_drawing_that_is_refused_leaves_the_page_as_it_was(
    page: Page, stub: Stub, complaints: list[str]
) -> None:
    expect(page.locator("#starters button")).to_have_count(3)
    stub.refuse = (429, {"detail": "The queue is full."})
    write(page, APPLE)
    page.click("#draw")
    expect(page.locator("#prompt-error")).to_have_text("The service has too much to do just now.")
    expect(page.locator("#frame")).to_have_attribute("data-state", "empty")
    expect(page.locator("#actions")).to_be_hidden()
    expect(page.locator("#starters button")).to_have_count(3)
    expect(page.locator("#how-open")).to_be_hidden()
    complaints.clear()


def drawing_by_two(page: Page, stub: Stub, hold_after: int) -> None:
    """Two models draw, and stop after that step."""
    stub.others, stub.hold_after = {"birds": {}}, hold_after
    page.reload()
    write(page, APPLE)
    page.click("#settings")
    page.locator("#besides").get_by_label("Birds 1").check()
    page.click("#draw")


def test_escape_in_the_search_does_not_cancel(page: Page, stub: Stub) -> None:
    write(page, APPLE)
    page.click("#draw")
    finished(page)
    stub.hold_after = 3
    page.click("#again")
    expect(page.locator("#facts")).to_have_text("Step 3 of 20")
    page.locator("#find").press("Escape")
    stub.hold_after = None
    finished(page)
    assert [job.state for job in stub.jobs.values()] == ["succeeded", "succeeded"]


def test_what_is_left_of_four_is_shown_without_a_gap(page: Page, stub: Stub) -> None:
    write(page, APPLE)
    page.get_by_role("radio", name="Four").check(force=True)
    page.click("#draw")
    finished(page, 4)
    (job,) = stub.jobs.values()
    del job.images[1]
    page.reload()
    finished(page, 3)
    expect(page.locator(".tile")).to_have_count(3)
    page.locator(".tile").nth(2).click()
    expect(page.locator("#viewer-facts")).to_contain_text(str(job.images[2]["seed"]))


def test_what_begins_a_drawing_hands_its_focus_on(page: Page, stub: Stub) -> None:
    expect(page.locator("#starters button")).to_have_count(3)
    for button in ("#starters button >> nth=0", "#again"):
        stub.hold_after = 2
        page.focus(button)
        page.keyboard.press("Enter")
        expect(page.locator("#cancel")).to_be_focused()
        stub.hold_after = None
        finished(page)
        expect(page.locator("#draw")).to_be_focused()
