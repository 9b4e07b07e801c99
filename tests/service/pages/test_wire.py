"""What the service answers, as the page says it: in the reader's language, with how long to wait."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from .stub_server import Stub
from .test_composing import APPLE, draw, ready

DAY = {"RateLimit-Policy": '"day";q=100;w=86400', "RateLimit-Remaining": "0"}
RATE = {"RateLimit-Policy": '"requests";q=5;w=60', "RateLimit-Remaining": "0"}
LEFT = "key 'ada' has 1.0 left"


@pytest.mark.parametrize(
    ("status", "headers", "detail", "said"),
    [
        (429, {"Retry-After": "12"}, "64 jobs are waiting",
         "The service has too much to do just now. Try again in 12 seconds."),
        (429, RATE | {"Retry-After": "240"}, "5 a minute",
         "Too many requests came in a short time. Try again in 4 minutes."),
        (429, DAY | {"Retry-After": "43187"}, LEFT,
         f"The key\u2019s quota for today is used up ({LEFT}). Try again in 12 hours."),
        (403, {}, "it needs the scope draw", "This is not allowed (it needs the scope draw)."),
        (413, {}, "larger than 9 bytes", "This is larger than the service takes."),
        (503, {"Retry-After": "1"}, "it is stopping",
         "The service cannot do this just now (it is stopping). Try again in 1 second."),
        (502, {}, "", "The service answered 502."),
    ],
)  # fmt: skip
def test_what_is_refused_is_said_in_words_with_how_long_to_wait(
    page: Page, complaints: list[str], status: int, headers: Mapping[str, str], detail: str, said: str
) -> None:
    ready(page)
    answer: dict[str, Any] = {"status": status, "headers": headers, "json": {"detail": detail}}
    page.route("**/v1/jobs", lambda route: route.fulfill(**answer))
    page.fill("#prompt", APPLE)
    page.keyboard.press("Enter")
    expect(page.locator("#prompt-error")).to_have_text(said)
    complaints.clear()


def test_what_is_refused_is_said_in_the_readers_language(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    context = browser.new_context(
        base_url=address, locale="es-ES", reduced_motion="reduce", service_workers="block"
    )
    page = context.new_page()
    page.goto("/")
    ready(page)
    answers = iter(
        [
            (429, DAY | {"Retry-After": "7200"}, "no more"),
            (415, {}, "not this"),
            (422, {}, "4x4 px"),
        ]
    )

    def refuse(route: Route) -> None:
        status, headers, detail = next(answers)
        route.fulfill(status=status, headers=headers, json={"detail": detail})

    page.route("**/v1/jobs", refuse)
    page.route("**/v1/images", refuse)
    page.fill("#prompt", APPLE)
    page.keyboard.press("Enter")
    expect(page.locator("#prompt-error")).to_have_text(
        "La cuota de hoy de la clave est\u00e1 agotada (no more). Int\u00e9ntalo de nuevo dentro de 2 horas."
    )
    file = tmp_path / "photo.png"
    file.write_bytes(b"no picture")
    for said in (
        "El servicio no admite archivos de este tipo.",
        "El servicio no puede usar esta imagen (4x4 px).",
    ):
        page.set_input_files("#file", file)
        expect(page.locator("#bench-error")).to_have_text(said)
    context.close()


def test_whoever_acts_with_an_ended_session_is_asked_to_sign_in(
    page: Page, stub: Stub, complaints: list[str]
) -> None:
    ready(page)
    draw(page, APPLE)
    page.route("**/v1/feedback?*", lambda route: route.fulfill(status=401, json={"detail": "send a key"}))
    page.locator("#votes").get_by_role("button", name="Good", exact=True).click()
    expect(page.locator("#signin")).to_be_visible()
    expect(page.locator("#toast")).to_have_text("Sign in to go on.")
    complaints.clear()


def test_a_limited_stream_waits_as_long_as_it_is_told_and_the_service_is_not_said_to_be_away(
    page: Page, stub: Stub, complaints: list[str]
) -> None:
    page.clock.install()
    ready(page)
    page.evaluate(
        """() => {
          window.away = 0;
          const count = () => (window.away += document.getElementById("offline").hidden ? 0 : 1);
          new MutationObserver(count).observe(document.getElementById("offline"), { attributes: true });
        }"""
    )
    asked: list[str] = []

    def limit(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=429, headers={"Retry-After": "30"}, json={"detail": "too fast"})

    page.route("**/v1/jobs/*/events", lambda route: route.fulfill(status=429))
    page.route("**/v1/jobs/*", limit)
    page.fill("#prompt", APPLE)
    with page.expect_response("**/v1/jobs/*"):
        page.keyboard.press("Enter")
    with page.expect_response("**/v1/models"):  # by then the page has read the answer
        page.evaluate("fetch('/v1/models').then((answer) => answer.json())")
    page.clock.fast_forward(20_000)
    page.unroute("**/v1/jobs/*/events")
    page.unroute("**/v1/jobs/*")
    with page.expect_response("**/healthz"):
        page.evaluate("fetch('/healthz').then((answer) => answer.json())")
    assert len(asked) == 1
    page.clock.fast_forward(10_000)
    expect(page.locator(".wall img")).to_have_count(1)
    assert page.evaluate("window.away") == 0
    complaints.clear()
