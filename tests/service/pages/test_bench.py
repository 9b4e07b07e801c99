"""Working from a picture on the page: bringing one, painting over it, drawing around it, more like it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, Route, expect

from .painting import paint, png
from .stub_server import Stub
from .test_drawing import APPLE, PHONE, drawn_elsewhere, finished, write


def asked(stub: Stub) -> dict[str, Any]:
    return list(stub.jobs.values())[-1].request


def picture(stub: Stub, name: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(stub.pictures[name])).convert("RGB"))


def put_on_bench(page: Page, photo: Path) -> None:
    write(page, APPLE)
    page.click("#bench-open")
    page.set_input_files("#file", photo)
    expect(page.locator("#easel")).to_be_visible()


def drawn(page: Page, button: str = "#draw", count: int = 1) -> None:
    """Press a button and wait until the pictures that it asks for hang on the wall."""
    before = page.locator(".wall button").count()
    page.click(button)
    expect(page.locator(".wall button")).to_have_count(before + count)


def stroke(page: Page, *points: tuple[float, float]) -> None:
    box = page.locator("#over").bounding_box()
    assert box is not None
    where = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*where[0])
    page.mouse.down()
    for point in where[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def test_a_picture_is_changed_as_far_as_the_slider_says(page: Page, stub: Stub, photo: Path) -> None:
    put_on_bench(page, photo)
    page.fill("#strength", "0.35")
    expect(page.locator("#strength-value")).to_have_text("35 %")
    drawn(page)
    request = asked(stub)
    assert request["strength"] == 0.35 and "mask" not in request
    assert np.array_equal(picture(stub, request["image"]), np.asarray(Image.open(photo)))
    page.click("#unload")
    expect(page.locator("#pick")).to_be_visible()
    drawn(page)
    assert "image" not in asked(stub)


def test_what_is_painted_over_becomes_the_mask(page: Page, stub: Stub, photo: Path) -> None:
    put_on_bench(page, photo)
    page.check("[name=way][value=paint]")
    page.click("#draw")
    expect(page.locator("#bench-error")).to_be_visible()
    expect(page.locator("#bench-error")).to_have_text("Paint over what is to be drawn anew.")
    assert not stub.jobs
    stroke(page, (0.6, 0.5), (0.9, 0.5))
    stroke(page, (0.1, 0.1))
    page.click("#undo")
    drawn(page)
    mask = picture(stub, asked(stub)["mask"])
    assert mask.shape == (100, 200, 3)
    assert (mask[50, 130:170] == 255).all() and (mask[:, :90] == 0).all() and (mask[5] == 0).all()
    before = len(stub.pictures)
    drawn(page)
    assert len(stub.pictures) == before + 1, "the same mask is not sent again"
    page.click("#invert")
    drawn(page)
    assert (picture(stub, asked(stub)["mask"]) == 255 - mask).mean() > 0.99


def test_the_brush_goes_by_keys(page: Page, stub: Stub, photo: Path) -> None:
    put_on_bench(page, photo)
    page.check("[name=way][value=paint]")
    page.focus("#over")
    for key in ["ArrowRight"] * 6 + ["ArrowUp"] * 2 + [" "]:
        page.keyboard.press(key)
    expect(page.locator("#live")).to_have_text("Painted")
    drawn(page)
    ys, xs = np.nonzero(picture(stub, asked(stub)["mask"])[..., 0])
    assert abs(xs.mean() - 0.8 * 200) < 2 and abs(ys.mean() - 0.4 * 100) < 2


def test_drawing_around_keeps_the_middle(page: Page, stub: Stub, photo: Path) -> None:
    put_on_bench(page, photo)
    page.check("[name=way][value=outward]")
    page.fill("#share", "0.5")
    drawn(page)
    request = asked(stub)
    mask, image = picture(stub, request["mask"]), picture(stub, request["image"])
    assert mask.shape == (100, 100, 3), "the middle, in the shape that is drawn"
    assert (mask[27:73, 27:73] == 0).all() and (mask[:24] == 255).all() and (mask[:, :24] == 255).all()
    small = np.asarray(Image.open(photo).crop((50, 0, 150, 100)).resize((50, 50)))
    assert np.abs(image[30:70, 30:70].astype(int) - small[5:45, 5:45]).mean() < 12
    assert not (image[2] == 255).all(), "colours go on outside"
    assert "strength" not in request


def test_more_like_a_picture(page: Page, stub: Stub) -> None:
    write(page, APPLE)
    drawn(page)
    first = asked(stub)
    drawn(page, "#alike", 4)
    request = asked(stub)
    assert (request["seed"], request["variation_strength"], request["n"]) == (first["seed"], 0.3, 4)
    page.locator(".tile").nth(2).click()
    drawn(page, "#viewer-alike", 4)
    again = asked(stub)
    third = list(stub.jobs.values())[1].images[2]["id"]
    assert (again["image"], again["strength"]) == (third, 0.5) and "variation_strength" not in again


def test_the_settings_of_a_variation_draw_it_again(page: Page, stub: Stub) -> None:
    write(page, APPLE)
    drawn(page)
    drawn(page, "#alike", 4)
    first = asked(stub)
    page.locator(".tile").nth(1).click()
    page.click("#use-all")
    drawn(page)
    again, second = asked(stub), list(stub.jobs.values())[1].images[1]["seed"]
    assert (again["seed"], again["variation_strength"]) == (first["seed"], 0.3)
    assert again["variation_seed"] == second
    page.fill("#seed", "5")
    drawn(page)
    assert "variation_seed" not in asked(stub)


def test_the_service_chooses_the_size_most_like_a_picture(page: Page, stub: Stub, photo: Path) -> None:
    stub.sizes = [{"width": 128, "height": 128}, {"width": 128, "height": 64}]
    page.reload()
    put_on_bench(page, photo)
    drawn(page)
    sent = stub.sent[-1]
    assert "image" in sent and "width" not in sent
    page.click("#settings")
    page.select_option("#size", "128x64")
    drawn(page)
    assert stub.sent[-1]["width"] == 128 and stub.sent[-1]["height"] == 64


def test_a_picture_that_was_made_comes_to_the_bench_and_its_settings_too(page: Page, stub: Stub) -> None:
    write(page, APPLE)
    drawn(page)
    page.click("#work")
    expect(page.locator("#easel")).to_be_visible()
    page.check("[name=way][value=paint]")
    stroke(page, (0.4, 0.5), (0.6, 0.5))
    drawn(page)
    first = asked(stub)
    page.click("#unload")
    page.locator(".tile").first.click()
    page.click("#use-all")
    page.click("#bench-open")
    expect(page.locator("[name=way][value=paint]")).to_be_checked()
    drawn(page)
    again = asked(stub)
    assert again["image"] == first["image"]
    same = picture(stub, again["mask"]) == picture(stub, first["mask"])
    assert same.mean() > 0.99


def test_a_file_that_is_no_picture_is_told(
    page: Page, stub: Stub, tmp_path: Path, complaints: list[str]
) -> None:
    (tmp_path / "no.png").write_text("hello", encoding="utf-8")
    write(page, APPLE)
    page.click("#bench-open")
    page.set_input_files("#file", tmp_path / "no.png")
    expect(page.locator("#bench-error")).to_contain_text("cannot be decoded")
    assert all("422" in complaint for complaint in complaints)
    complaints.clear()


def test_a_model_that_draws_from_words_alone_has_no_bench(page: Page, stub: Stub) -> None:
    stub.edits = False
    page.reload()
    expect(page.locator("#small")).to_be_visible()
    expect(page.locator("#bench-open")).to_be_hidden()


@PHONE
def test_painting_on_a_phone(page: Page, stub: Stub, photo: Path) -> None:
    put_on_bench(page, photo)
    page.check("[name=way][value=paint]")
    stroke(page, (0.5, 0.5))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    drawn(page)
    assert picture(stub, asked(stub)["mask"]).max() == 255


def test_the_mask_is_as_large_as_a_picture_that_is_larger_than_what_is_shown(
    page: Page, stub: Stub, tmp_path: Path
) -> None:
    paint("a red car", 3).resize((1500, 900)).save(tmp_path / "large.png")
    put_on_bench(page, tmp_path / "large.png")
    page.check("[name=way][value=paint]")
    stroke(page, (0.4, 0.5), (0.6, 0.5))
    drawn(page)
    mask = picture(stub, asked(stub)["mask"])
    assert mask.shape == picture(stub, asked(stub)["image"]).shape == (900, 1500, 3)
    assert mask[450, 750].min() > 250 and mask[100, 100].max() < 5


def test_a_second_finger_does_not_paint(page: Page, stub: Stub, photo: Path) -> None:
    put_on_bench(page, photo)
    page.check("[name=way][value=paint]")
    for kind, pointer, at in (
        ("pointerdown", 1, 0.2), ("pointerdown", 2, 0.8), ("pointermove", 2, 0.9), ("pointermove", 1, 0.3),
        ("pointerup", 2, 0.9), ("pointermove", 1, 0.4), ("pointerup", 1, 0.4),
    ):  # fmt: skip
        page.evaluate(
            """([kind, pointer, at]) => {
                const over = document.getElementById("over"), box = over.getBoundingClientRect();
                over.setPointerCapture = () => {};
                over.dispatchEvent(new PointerEvent(kind, { pointerId: pointer, bubbles: true, cancelable: true,
                    clientX: box.left + at * box.width, clientY: box.top + box.height / 2 }));
            }""",
            [kind, pointer, at],
        )
    drawn(page)
    mask = picture(stub, asked(stub)["mask"])
    painted = np.flatnonzero(mask[50, :, 0] > 128) / 200
    assert painted.min() < 0.2 and 0.38 < painted.max() < 0.6


def test_a_picture_that_comes_broken_is_said_and_drawing_goes_on(
    page: Page, stub: Stub, photo: Path, complaints: list[str]
) -> None:
    write(page, APPLE)
    page.click("#bench-open")
    page.route("**/v1/images/*", lambda route: route.fulfill(content_type="image/png", body="cut"), times=1)
    page.set_input_files("#file", photo)
    expect(page.locator("#bench-error")).to_have_text("The service cannot be reached.")
    drawn(page)
    assert "image" not in asked(stub)
    complaints.clear()


@pytest.mark.parametrize(
    ("way", "gone"),
    [
        ("change", ["image"]),
        ("paint", ["mask"]),
        ("paint", ["image", "mask"]),
        ("outward", ["image", "mask"]),
    ],
)
def test_what_the_service_has_let_go_of_is_sent_again(
    page: Page, stub: Stub, photo: Path, complaints: list[str], way: str, gone: list[str]
) -> None:
    def refuse_what_is_gone(route: Route) -> None:
        request = route.request.post_data_json or {}
        for name in ("image", "mask"):
            if name in request and request[name] not in stub.pictures:
                wrong = {"title": "Invalid input", "errors": [{"field": name, "message": "no picture"}]}
                return route.fulfill(status=422, json=wrong)
        return route.continue_()

    page.route("**/v1/jobs", refuse_what_is_gone)
    put_on_bench(page, photo)
    page.check(f"[name=way][value={way}]")
    if way == "paint":
        stroke(page, (0.4, 0.5), (0.6, 0.5))
    drawn(page)
    first = asked(stub)
    before = [picture(stub, first[name]) for name in gone]
    for name in gone:
        del stub.pictures[first[name]]
    drawn(page)
    for name, pixels in zip(gone, before, strict=True):
        assert np.array_equal(picture(stub, asked(stub)[name]), pixels)
    assert asked(stub).keys() == first.keys()
    assert all("422" in complaint for complaint in complaints)
    complaints.clear()


def test_a_photo_that_is_still_coming_is_waited_for(page: Page, stub: Stub, photo: Path) -> None:
    held: list[Route] = []
    page.route("**/v1/images", lambda route: held.append(route))
    write(page, APPLE)
    page.click("#bench-open")
    with page.expect_request("**/v1/images"):
        page.set_input_files("#file", photo)
    page.click("#draw")
    expect(page.locator("#cancel")).to_be_visible()
    page.click("#cancel")
    expect(page.locator("#draw")).to_be_visible()
    page.click("#draw")
    page.fill("#prompt", "what was written after the press")
    held[0].continue_()
    expect(page.locator(".wall button")).to_have_count(1)
    (job,) = stub.jobs.values()
    assert "image" in job.request and job.request["prompt"] == APPLE


def test_drawing_a_variation_again_varies_the_same_picture(page: Page, stub: Stub) -> None:
    write(page, APPLE)
    drawn(page)
    first = asked(stub)
    drawn(page, "#alike", 4)
    asked(stub)["variation_seed"] = 5  # as the service settles it
    page.reload()
    finished(page, 4)
    drawn(page, "#again", 4)
    again = asked(stub)
    assert (again["seed"], again["variation_strength"], again["n"]) == (first["seed"], 0.3, 4)
    assert "variation_seed" not in again


@pytest.mark.parametrize("part", [{"keep": [0.25, 0.5, 0.75, 1]}, {"outward": 0.5}])
def test_a_part_that_a_client_named_is_named_again_until_it_is_changed(
    page: Page, stub: Stub, part: dict[str, Any]
) -> None:
    stub.pictures["car"] = png(paint("a red car", 3))
    named = {"image": "car", "strength": 1, **part}
    drawn_elsewhere(stub, **named)
    page.reload()
    page.locator(".wall button").click()
    page.click("#use-all")
    expect(page.locator("#bench-open")).to_have_attribute("data-changed", "1")
    page.select_option("#language", "es")
    expect(page.locator("#draw")).to_have_text("Dibujar")
    expect(page.locator("#bench-open")).to_have_attribute("data-changed", "1")
    expect(page.locator(".wall button")).to_have_count(1)
    drawn(page)
    assert named.items() <= stub.sent[-1].items() and "mask" not in stub.sent[-1]
    page.click("#bench-open")
    if "keep" in part:
        stroke(page, (0.5, 0.75))
    else:
        page.fill("#share", "0.6")
    drawn(page)
    mask = picture(stub, stub.sent[-1]["mask"])
    assert (mask[2, 2] == 255).all() and (mask[70, 64] == 0).all()
    assert (mask[96, 64] == (255 if "keep" in part else 0)).all()
    assert not {"keep", "outward"} & stub.sent[-1].keys()
