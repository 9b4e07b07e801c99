"""What hangs on the stage after a drawing was given up or refused, or a picture of several was deleted."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from .stub_server import Stub
from .test_drawing import APPLE, drawing_by_two, drawn_elsewhere, finished, write
from .waiting import until


@pytest.mark.parametrize("models", [1, 2])
def test_what_the_service_has_not_answered_yet_is_let_go_at_once(page: Page, stub: Stub, models: int) -> None:
    stub.others, stub.hold_after = {"birds": {}}, 2
    page.reload()
    expect(page.locator("#starters button")).to_have_count(3)
    write(page, APPLE)
    page.click("#settings")
    if models == 2:
        page.locator("#besides").get_by_label("Birds 1").check()
    held: list[Route] = []
    page.route("**/v1/jobs", lambda route: held.append(route))
    with page.expect_request("**/v1/jobs"):
        page.click("#draw")
    page.click("#cancel")
    expect(page.locator("#draw")).to_be_visible()
    expect(page.locator("#frame")).to_have_attribute("data-state", "empty")
    expect(page.locator("#starters button")).to_have_count(3)
    expect(page.locator("#live")).to_have_text("Stopped")
    with page.expect_response(lambda response: response.request.method == "DELETE") as deleted:
        held[0].continue_()
    deleted.value.finished()
    (job,) = stub.jobs.values()
    assert job.stop and len(held) == 1
    page.unroute("**/v1/jobs")
    stub.hold_after = None
    page.click("#draw")
    finished(page, models)


def test_what_hung_before_a_refusal_is_not_said_to_be_done(
    page: Page, stub: Stub, complaints: list[str]
) -> None:
    write(page, APPLE)
    page.click("#draw")
    finished(page)
    expect(page.locator("#live")).to_have_text("The picture is done.")
    stub.refuse = (429, {"detail": "The queue is full."})
    page.click("#draw")
    expect(page.locator("#prompt-error")).to_be_visible()
    expect(page.locator("#live")).to_have_text("")
    complaints.clear()


def test_what_is_left_of_four_stays_on_the_stage(page: Page, stub: Stub) -> None:
    write(page, APPLE)
    page.get_by_role("radio", name="Four").check(force=True)
    page.click("#draw")
    finished(page, 4)
    (job,) = stub.jobs.values()
    first = job.images[0]["id"]
    page.reload()
    finished(page, 4)
    for button in ("#save", "#copy"):
        expect(page.locator(button)).to_be_hidden()
    with page.expect_response("**/v1/jobs?*search=apple*"):
        page.fill("#find", "apple")
    page.locator(f".wall li[data-image='{first}'] button").click()
    for left in (3, 2, 1, 0):
        for _ in range(2):
            page.click("#viewer-delete")
        expect(page.locator("#viewer")).to_be_hidden()
        expect(page.locator(".tile")).to_have_count(left)
        if left == 1:
            expect(page.locator("#save")).to_be_visible()
        if left:
            page.locator(".tile").first.click()
    expect(page.locator("#frame")).to_have_attribute("data-state", "empty")
    expect(page.locator("#starters button")).to_have_count(3)


def test_how_it_works_gets_the_picture_of_the_last_model(page: Page, stub: Stub) -> None:
    drawing_by_two(page, stub, 2)
    until(page, "JSON.parse(sessionStorage.getItem('limner.drawing'))?.length === 2")
    page.click("#how-open")
    expect(page.locator("#how-final")).to_be_hidden()
    stub.hold_after = None
    expect(page.locator("#how-final")).to_be_visible()


def test_many_pictures_of_another_client_hang_in_rows_and_are_drawn_again_as_far_as_allowed(
    page: Page, stub: Stub
) -> None:
    stub.limits |= {"n": [1, 8]}
    drawn_elsewhere(stub, n=10)
    page.reload()
    finished(page, 10)
    boxes = page.locator(".tile").evaluate_all(
        "tiles => tiles.map((t) => t.getBoundingClientRect()).map((b) => [b.x, b.y, b.width, b.height])"
    )
    assert len({round(x) for x, *_ in boxes}) == 3 and len({round(y) for _, y, *_ in boxes}) == 4
    assert all(abs(width - height) < 1 for _, _, width, height in boxes)
    page.click("#again")
    finished(page, 8)
    assert stub.sent[-1]["n"] == 8
