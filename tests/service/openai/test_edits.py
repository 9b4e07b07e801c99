"""Edits and variations of pictures by the official Python client."""

from __future__ import annotations

import asyncio
import base64
import io
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from openai.types import ImageEditCompletedEvent, ImageEditPartialImageEvent
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from limner.engine.source import Source
from limner.service.bodies import MAX_FORM

from .conftest import Server
from .test_generations import COLOUR, PROMPT, note, opened

# The client warns of variations, which OpenAI itself no longer answers.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")


def file_of(width: int = 40, height: int = 20, clear: tuple[int, int, int, int] | None = None) -> bytes:
    """A red PNG; the box `clear` of it is transparent."""
    picture = Image.new("RGBA", (width, height), "red")
    if clear is not None:
        picture.paste((0, 0, 0, 0), clear)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def last_source(server: Server) -> Source:
    source = server.studio.sources[-1]
    assert source is not None
    return source


def test_a_picture_is_changed(asking: openai.OpenAI, steady: Server) -> None:
    answer = asking.images.edit(
        image=("a.png", file_of()), prompt=PROMPT, n=2, size="128x128", extra_body={"seed": 7}
    )
    assert answer.size == "128x128" and answer.data is not None
    assert sorted(note(datum)["seed"] for datum in answer.data) == [7, 8]
    for datum in answer.data:
        assert opened(datum.b64_json).size == (128, 128)
    source, request = last_source(steady), steady.studio.started[-1]
    assert source.mask is None and source.pixels.shape == (20, 40, 3) and (source.pixels == (255, 0, 0)).all()
    assert (request.prompt, request.image is not None, request.strength) == (PROMPT, True, None)


@pytest.mark.parametrize("given", ["mask", "image"])
def test_what_is_transparent_is_redrawn(asking: openai.OpenAI, steady: Server, given: str) -> None:
    """Of the mask, or of the picture where there is no mask."""
    clear = file_of(clear=(10, 0, 40, 20))
    files: dict[str, Any] = {"image": file_of(), "mask": clear} if given == "mask" else {"image": clear}
    asking.images.edit(**files, prompt=PROMPT)
    mask = last_source(steady).mask
    assert mask is not None
    assert (mask[:, 10:] == 255).all() and (mask[:, :10] == 0).all()


def test_a_mask_counts_before_what_is_transparent_of_the_picture(
    asking: openai.OpenAI, steady: Server
) -> None:
    asking.images.edit(image=file_of(clear=(0, 0, 5, 5)), mask=file_of(clear=(30, 0, 40, 20)), prompt=PROMPT)
    mask = last_source(steady).mask
    assert mask is not None and np.array_equal(np.unique(np.nonzero(mask)[1]), np.arange(30, 40))


@pytest.mark.parametrize(
    ("fields", "strength"),
    [
        ({"input_fidelity": "high"}, 0.4),
        ({"input_fidelity": "low"}, None),
        ({"extra_body": {"strength": 0.9}}, 0.9),
    ],
)
def test_how_near_to_the_picture(
    asking: openai.OpenAI, steady: Server, fields: dict[str, Any], strength: float | None
) -> None:
    asking.images.edit(image=file_of(), prompt=PROMPT, **fields)
    assert steady.studio.started[-1].strength == strength


def test_a_list_of_one_picture(asking: openai.OpenAI, steady: Server) -> None:
    asking.images.edit(image=[("a.png", file_of())], prompt=PROMPT, output_format="jpeg")
    assert last_source(steady).pixels.shape == (20, 40, 3)


def test_an_edit_as_it_comes(client: openai.OpenAI, server: Server) -> None:
    *before, last = server.paced(
        lambda: client.images.edit(image=file_of(), prompt=PROMPT, stream=True, partial_images=2), 2, 3
    )
    assert isinstance(last, ImageEditCompletedEvent) and last.type == "image_edit.completed"
    assert [event.type for event in before] == ["image_edit.partial_image"] * 2
    for index, event in enumerate(before):
        assert isinstance(event, ImageEditPartialImageEvent) and event.partial_image_index == index
    assert opened(last.b64_json).size == (64, 64)


def test_steps_may_be_said(asking: openai.OpenAI, steady: Server) -> None:
    asking.images.edit(image=file_of(), prompt=PROMPT, extra_body={"steps": 3})
    assert steady.studio.started[-1].steps == 3


def test_the_asynchronous_client(steady: Server) -> None:
    async def drawn() -> openai.types.ImagesResponse:
        async with steady.asynchronous() as client:
            return await client.images.edit(image=file_of(), prompt=PROMPT)

    assert asyncio.run(drawn()).data


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"image": b"no picture"}, "image", "cannot be decoded"),
        ({"image": file_of(4, 4)}, "image", "at least 8x8"),
        ({"image": [file_of(), file_of()]}, "image", "one picture"),
        ({"mask": b"no picture"}, "mask", "cannot be decoded"),
        ({"mask": file_of()}, "mask", "transparent"),
        ({"mask": file_of(20, 40, (0, 0, 9, 9))}, "mask", "same size"),
        ({"markup": file_of()}, "markup", "cannot be honoured"),
        ({"prompt": ""}, "prompt", "required"),
        ({"n": 11}, "n", "less than or equal to 10"),
        ({"size": "1x1"}, "size", "16 to 1792"),
        ({"background": "transparent"}, "background", "'transparent'"),
        ({"quality": "xhigh"}, "quality", "'xhigh'"),
        ({"output_format": "gif"}, "output_format", "'gif'"),
        ({"partial_images": 1}, "partial_images", "stream"),
        ({"svg": {"model": "x"}}, "svg", "cannot be honoured"),
        ({"extra_body": {"strength": 0}}, "strength", "greater than 0"),
        ({"extra_body": {"strength": 0.5}, "input_fidelity": "low"}, "input_fidelity", "not both"),
        ({"extra_body": {"moderation": "auto"}}, "moderation", "unknown parameter"),
        ({"extra_body": {"colour": "red"}}, "colour", "unknown parameter"),
    ],
)
def test_what_cannot_be_honoured_is_named(
    asking: openai.OpenAI, fields: dict[str, Any], param: str, said: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        asking.images.edit(**{"image": file_of(), "prompt": PROMPT, **fields})
    assert (refused.value.param, refused.value.type) == (param, "invalid_request_error")
    assert said in refused.value.message


def test_an_unknown_model_is_not_found(asking: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        asking.images.edit(image=file_of(), prompt=PROMPT, model="gpt-image-2")
    with pytest.raises(openai.NotFoundError):
        asking.images.create_variation(image=file_of(), model="dall-e-2")


MULTIPART = "multipart/form-data; boundary=x"
FIELD = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\na\r\n'


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", MULTIPART, 400),
        (b"", "multipart/form-data", 400),
        (b"--y\r\n\r\n--y--", MULTIPART, 400),
        (b"--x\r\nno header\r\n\r\n--x--", MULTIPART, 400),
        (FIELD % b"image" + b"--x--\r\n", MULTIPART, 400),
        (FIELD % b"prompt" * 2 + b"--x--\r\n", MULTIPART, 400),
        (FIELD % b"prompt" * 50 + b"--x--\r\n", MULTIPART, 400),
        (b"{}", "application/json", 415),
        (b"prompt=a", "application/x-www-form-urlencoded", 415),
        (b" " * (MAX_FORM + 1), MULTIPART, 413),
    ],
)
def test_a_form_that_cannot_be_read(steady: Server, content: bytes, kind: str, status: int) -> None:
    answer = httpx.post(f"{steady.url}/images/edits", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_many_edits_wait_without_keeping_others_from_sending(server: Server) -> None:
    """Pictures come in a few at a time, but who waits for a drawing no longer holds a place."""
    server.studio.gate.clear()

    async def go() -> None:
        async with server.asynchronous() as client, httpx.AsyncClient() as other:

            async def states() -> list[str]:
                return [job["state"] for job in (await other.get(f"{server.url}/jobs")).json()["jobs"]]

            waiting = [asyncio.ensure_future(client.images.edit(image=file_of(), prompt=PROMPT))]
            while "running" not in await states():  # then there is room for three in the queue
                assert not waiting[0].done()
            waiting += [
                asyncio.ensure_future(client.images.edit(image=file_of(), prompt=PROMPT)) for _ in range(3)
            ]
            while len(await states()) < 4:
                assert not any(one.done() for one in waiting)
            sent = await other.post(
                f"{server.url}/images", content=file_of(), headers={"Content-Type": "image/png"}
            )
            assert sent.status_code == 201
            server.studio.gate.set()
            await asyncio.gather(*waiting)

    asyncio.run(go())


class TestVariations:
    def test_a_picture_that_was_drawn_here_is_drawn_again_nearby(
        self, asking: openai.OpenAI, steady: Server
    ) -> None:
        answer = asking.images.generate(prompt=PROMPT, quality="low", extra_body={"seed": 7})
        assert answer.data is not None and answer.data[0].b64_json is not None
        file = base64.b64decode(answer.data[0].b64_json)
        asking.images.create_variation(image=file, n=2, extra_body={"seed": 20})
        first, second = sorted(steady.studio.started[-2:], key=lambda one: one.own_seed)
        assert (first.prompt, first.seed, first.steps, first.image) == (PROMPT, 7, 2, None)
        assert [one.variation_seed for one in (first, second)] == [20, 21]
        assert first.variation_strength == second.variation_strength == 0.3

    def test_a_resized_copy_still_says_how_it_was_drawn(self, asking: openai.OpenAI, steady: Server) -> None:
        answer = asking.images.generate(prompt=PROMPT, size="200x100", extra_body={"seed": 9})
        assert answer.data is not None and answer.data[0].b64_json is not None
        asking.images.create_variation(image=base64.b64decode(answer.data[0].b64_json))
        assert (steady.studio.started[-1].seed, steady.studio.started[-1].image) == (9, None)

    def test_any_other_picture_is_a_beginning(self, asking: openai.OpenAI, steady: Server) -> None:
        answer = asking.images.create_variation(image=file_of(), size="512x512", response_format="url")
        assert answer.data is not None and answer.data[0].url is not None
        assert opened(httpx.get(answer.data[0].url).content).size == (512, 512)
        assert last_source(steady).pixels.shape == (20, 40, 3)
        assert steady.studio.started[-1].prompt == "a picture"

    def test_its_words_may_be_told(self, asking: openai.OpenAI, steady: Server) -> None:
        asking.images.create_variation(image=file_of(), extra_body={"prompt": "a red square"})
        assert steady.studio.started[-1].prompt == "a red square"

    @pytest.mark.parametrize(
        "said",
        [
            "{",
            "[]",
            "7",
            '{"prompt": 1}',
            '{"version": "1"}',
            "[" * 90_000,
            '{"version": "1", "model": "storybook"}',
        ],
    )
    def test_a_picture_that_says_nonsense_is_a_beginning(
        self, asking: openai.OpenAI, steady: Server, said: str
    ) -> None:
        info, file = PngInfo(), io.BytesIO()
        info.add_text("limner", said)
        Image.new("RGB", (40, 20), COLOUR).save(file, "PNG", pnginfo=info)
        asking.images.create_variation(image=file.getvalue())
        assert steady.studio.started[-1].prompt == "a picture"

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"image": b"no picture"}, "image"),
            ({"n": 0}, "n"),
            ({"size": "huge"}, "size"),
            ({"response_format": "file"}, "response_format"),
            ({"extra_body": {"quality": "high"}}, "quality"),
            ({"extra_body": {"steps": 3}}, "steps"),
        ],
    )
    def test_what_cannot_be_honoured_is_named(
        self, asking: openai.OpenAI, fields: dict[str, Any], param: str
    ) -> None:
        with pytest.raises(openai.BadRequestError) as refused:
            asking.images.create_variation(**{"image": file_of(), **fields})
        assert refused.value.param == param
