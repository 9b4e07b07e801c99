"""What a gate refuses and withholds, as the page says it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from .stub_server import Stub, StubJob
from .test_drawing import APPLE, finished, write


def test_a_withheld_picture_is_said_beside_the_others(
    page: Page, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, view = stub.draw, StubJob.view
    withheld = [{"index": 1, "gate": "odd", "reason": "it is too odd"}]
    monkeypatch.setattr(StubJob, "view", lambda job: view(job) | {"withheld": withheld if job.images else []})

    def draw_one(job: StubJob) -> None:
        job.request["n"] = 1
        draw(job)

    monkeypatch.setattr(stub, "draw", draw_one)
    write(page, APPLE)
    page.get_by_role("radio", name="Four").check(force=True)
    page.click("#draw")
    finished(page)
    expect(page.locator("#facts")).to_contain_text("1 picture is withheld: it is too odd")
    expect(page.locator(".tile").nth(1)).to_have_attribute(
        "aria-label", re.compile("withheld: it is too odd")
    )


def test_where_all_is_withheld_the_reason_is_said_in_plain_words(
    page: Page, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, withheld = StubJob.view, [{"index": 0, "gate": "odd", "reason": "it is too odd"}]
    monkeypatch.setattr(StubJob, "view", lambda job: view(job) | {"withheld": withheld if job.error else []})
    stub.fail_drawing = "withheld by gate 'odd': it is too odd"
    write(page, APPLE)
    page.click("#draw")
    expect(page.locator("#facts")).to_have_text("1 picture is withheld: it is too odd")
    expect(page.locator(".tile .withheld")).to_be_visible()
    expect(page.locator(".tile")).to_have_attribute("aria-label", re.compile("withheld: it is too odd"))


def test_what_a_gate_refuses_is_said_with_its_reason(page: Page, stub: Stub, complaints: list[str]) -> None:
    wrong = {
        "field": "prompt",
        "message": "gate 'words' refuses it: it has 'gun'",
        "allowed": "1 to 1000 characters",
    }
    stub.refuse = 422, {"detail": "prompt: no", "errors": [wrong], "gate": "words", "reason": "it has 'gun'"}
    write(page, APPLE)
    page.click("#draw")
    expect(page.locator("#prompt-error")).to_have_text("Refused: it has 'gun'")
    assert len(complaints) == 1 and "422" in complaints.pop()
