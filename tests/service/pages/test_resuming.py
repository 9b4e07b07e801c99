"""What the page does where a stream, the service or the page itself goes away, and where two tabs are open."""

from __future__ import annotations

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from .stub_server import Stub
from .test_drawing import APPLE, drawing_by_two, finished, write
from .waiting import until


def test_a_lost_stream_is_taken_up_where_it_was(page: Page, stub: Stub) -> None:
    stub.drop_after, stub.hold_after = 3, 10
    write(page, APPLE)
    page.click("#draw")
    expect(page.locator("#facts")).to_have_text("Step 10 of 20")
    expect(page.locator("#offline")).to_be_hidden()
    assert stub.resumed_from == ["2"]
    stub.hold_after = None
    finished(page)


def test_a_page_that_was_left_takes_up_its_drawing(page: Page, stub: Stub) -> None:
    stub.hold_after = 6
    write(page, APPLE)
    page.click("#draw")
    expect(page.locator("#facts")).to_have_text("Step 6 of 20")
    page.reload()
    expect(page.locator("#facts")).to_have_text("Step 6 of 20")
    expect(page.locator("#cancel")).to_be_visible()
    stub.hold_after = None
    finished(page)
    page.reload()
    finished(page)
    expect(page.locator("#title")).to_have_text(APPLE)


def test_a_service_that_is_away_is_said_and_its_return_too(page: Page, complaints: list[str]) -> None:
    write(page, APPLE)
    page.route("**/v1/jobs", lambda route: route.abort())
    page.route("**/healthz", lambda route: route.abort())
    page.click("#draw")
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("#prompt-error")).to_have_text("The service cannot be reached.")
    expect(page.locator("#live")).to_have_text("The service does not answer. Trying again\u2026")
    page.unroute("**/v1/jobs")
    page.unroute("**/healthz")
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator("#prompt-error")).to_be_hidden()
    finished(page)
    assert all("ERR_FAILED" in text for text in complaints)
    complaints.clear()


def test_a_second_tab_leaves_the_drawing_of_the_first_alone(page: Page, stub: Stub) -> None:
    stub.hold_after = 5
    write(page, APPLE)
    page.click("#draw")
    expect(page.locator("#facts")).to_have_text("Step 5 of 20")
    second = page.context.new_page()
    second.goto("/")
    expect(second.locator("#facts")).to_have_text("Step 5 of 20")
    write(second, "a blue house in the snow")
    second.keyboard.press("Enter")
    expect(second.locator("#title")).to_have_text("a blue house in the snow")
    expect(second.locator("#facts")).to_have_text("Step 5 of 20")
    page.reload()
    expect(page.locator("#title")).to_have_text(APPLE)
    stub.hold_after = None
    finished(second)
    finished(page)
    expect(page.locator("#title")).to_have_text(APPLE)
    assert [job.state for job in stub.jobs.values()] == ["succeeded", "succeeded"]


def test_a_drawing_is_taken_up_when_the_service_is_back(
    page: Page, stub: Stub, complaints: list[str]
) -> None:
    stub.hold_after = 6
    write(page, APPLE)
    page.click("#draw")
    expect(page.locator("#facts")).to_have_text("Step 6 of 20")
    for what in ("**/v1/jobs/*", "**/healthz"):
        page.route(what, lambda route: route.abort())
    page.reload()
    expect(page.locator("#offline")).to_be_visible()
    for what in ("**/v1/jobs/*", "**/healthz"):
        page.unroute(what)
    expect(page.locator("#facts")).to_have_text("Step 6 of 20")
    stub.hold_after = None
    finished(page)
    complaints.clear()


def test_a_stream_that_is_refused_is_opened_anew(page: Page, stub: Stub, complaints: list[str]) -> None:
    stub.drop_after, stub.hold_after = 3, 10
    opened: list[str] = []

    def refuse_the_second(route: Route) -> None:
        opened.append(route.request.url)
        if len(opened) == 2:
            route.fulfill(status=503)
        else:
            route.continue_()

    page.route("**/v1/jobs/*/events", refuse_the_second)
    write(page, APPLE)
    page.click("#draw")
    expect(page.locator("#facts")).to_have_text("Step 10 of 20")
    stub.hold_after = None
    finished(page)
    assert len(opened) == 3
    complaints.clear()


@pytest.mark.parametrize(
    ("status", "said"),
    [(429, "The service has too much to do just now."), (503, "The service cannot do this just now.")],
)
def test_a_service_that_cannot_tell_its_models_yet_is_asked_again(
    page: Page, complaints: list[str], status: int, said: str
) -> None:
    page.route("**/v1/models", lambda route: route.fulfill(status=status), times=1)
    page.reload()
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("#prompt-error")).to_have_text(said)
    expect(page.locator("#starters button")).to_have_count(3)
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator("#prompt-error")).to_be_hidden()
    complaints.clear()


def test_a_job_whose_answer_was_lost_is_found_again(page: Page, stub: Stub, complaints: list[str]) -> None:
    answers: dict[str, APIResponse] = {}

    def lose_the_first(route: Route) -> None:
        key = route.request.headers["idempotency-key"]
        if key in answers:
            route.fulfill(response=answers[key])
        else:
            answers[key] = route.fetch()
            route.abort()

    page.route("**/v1/jobs", lose_the_first)
    stub.hold_after = 4
    write(page, APPLE)
    page.click("#draw")
    expect(page.locator("#offline")).to_be_visible()
    page.click("#draw")
    expect(page.locator("#facts")).to_have_text("Step 4 of 20")
    stub.hold_after = None
    finished(page)
    page.click("#again")
    expect(page.locator(".wall button")).to_have_count(2)  # by itself
    assert len(stub.jobs) == len(answers) == 2
    complaints.clear()


def test_a_page_that_was_left_takes_up_the_drawings_of_all_models(page: Page, stub: Stub) -> None:
    drawing_by_two(page, stub, 6)
    expect(page.locator("#facts")).to_have_text("Step 6 of 20")
    until(page, "JSON.parse(sessionStorage.getItem('limner.drawing')).length === 2")
    page.reload()
    expect(page.locator("#facts")).to_have_text("Step 6 of 20")
    assert page.locator(".tile .by").all_text_contents() == ["Storybook", "Birds"]
    stub.hold_after = None
    finished(page, 2)
    assert page.evaluate("sessionStorage.getItem('limner.drawing')") is None


def test_a_page_that_was_opened_while_the_service_was_away_gets_to_know_it(
    page: Page, stub: Stub, complaints: list[str]
) -> None:
    stub.away = True
    page.route("**/v1/session", lambda route: route.abort())
    page.reload()
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("#starters button")).to_have_count(3)  # it has loaded the wall
    expect(page.locator("#admin-open")).to_be_hidden()
    stub.draw(stub.add({"prompt": APPLE, "steps": 1}))
    stub.away = False
    page.unroute("**/v1/session")
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator("#admin-open")).to_be_visible()
    expect(page.locator(".wall button")).to_have_count(1)
    complaints.clear()


def test_who_is_signed_in_is_asked_again_where_it_could_not_be_told(
    page: Page, complaints: list[str]
) -> None:
    page.route("**/v1/session", lambda route: route.fulfill(status=429), times=1)
    page.reload()
    expect(page.locator("#admin-open")).to_be_visible()
    assert len(complaints) == 1 and "429" in complaints.pop()
