"""Pictures of a prompt by the official Python client, unmodified."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from limner.errors import InvalidInput
from limner.service.openai.models import further_names

from ..fake_studio import FakeStudio
from ..test_readings import LEXICON, TORCH
from .conftest import Server, serving

PROMPT = "a red apple on a wooden table"
COLOUR = (7, 0, 99)  # what the fake studio draws with the seed 7


def opened(file: str | bytes | None) -> Image.Image:
    assert file is not None
    picture = Image.open(io.BytesIO(base64.b64decode(file) if isinstance(file, str) else file))
    picture.load()
    return picture


def note(datum: openai.types.Image) -> dict[str, Any]:
    found: dict[str, Any] = datum.model_dump()["limner"]
    return found


def test_a_picture_comes_in_the_answer_and_by_url(asking: openai.OpenAI) -> None:
    answer = asking.images.generate(prompt=PROMPT, extra_body={"seed": 7})
    assert (answer.size, answer.output_format, answer.quality, answer.background) == (
        "64x64",
        "png",
        "medium",
        "opaque",
    )
    assert answer.data is not None and len(answer.data) == 1
    datum = answer.data[0]
    picture = opened(datum.b64_json)
    assert picture.format == "PNG" and picture.size == (64, 64) and picture.getpixel((0, 0)) == COLOUR
    assert json.loads(picture.info["limner"])["seed"] == 7
    assert datum.url is not None and opened(httpx.get(datum.url).content).tobytes() == picture.tobytes()
    assert note(datum) | {"job": "", "image": ""} == {
        "job": "",
        "image": "",
        "index": 0,
        "model": "storybook",
        "seed": 7,
        "steps": 4,
        "drawn": "64x64",
        "cropped": False,
    }


@pytest.mark.parametrize(("asked", "other"), [("url", "b64_json"), ("b64_json", "url")])
def test_only_the_form_that_is_asked_for(asking: openai.OpenAI, asked: Any, other: str) -> None:
    answer = asking.images.generate(prompt=PROMPT, response_format=asked, n=2, extra_body={"seed": 7})
    assert answer.data is not None and [note(datum)["seed"] for datum in answer.data] == [7, 8]
    for datum in answer.data:
        assert getattr(datum, asked) and getattr(datum, other) is None


def test_a_call_is_a_job_like_any_other(asking: openai.OpenAI, steady: Server) -> None:
    raw = asking.images.with_raw_response.generate(prompt=PROMPT, extra_body={"seed": 7})
    job = httpx.get(f"{steady.url}/jobs/{raw.headers['limner-job']}").json()
    assert (job["state"], job["request"]["prompt"], job["request"]["seed"]) == ("succeeded", PROMPT, 7)
    answer = raw.parse()
    assert answer.data is not None and note(answer.data[0])["image"] == job["images"][0]["id"]


def test_ten_pictures(asking: openai.OpenAI) -> None:
    answer = asking.images.generate(prompt=PROMPT, n=10, response_format="url")
    assert answer.data is not None and len({datum.url for datum in answer.data}) == 10


@pytest.mark.parametrize(
    ("size", "resized", "cropped"),
    [
        ("64x64", None, False),
        ("1024x1024", "enlarged", False),
        ("32x32", "reduced", False),
        ("1024x600", "enlarged", True),
        ("1536x1024", "enlarged", True),
        ("257x511", "enlarged", True),
        ("65x64", "enlarged", True),
    ],
)
def test_any_size_is_honoured_and_said(
    asking: openai.OpenAI, size: str, resized: str | None, cropped: bool
) -> None:
    answer = asking.images.generate(prompt=PROMPT, size=size, extra_body={"seed": 7})
    assert answer.size == size and answer.data is not None
    datum = answer.data[0]
    told = note(datum)
    assert (told["drawn"], told.get("resized"), told["cropped"]) == ("64x64", resized, cropped)
    assert datum.url is not None
    for file in (datum.b64_json, httpx.get(datum.url).content):
        picture = opened(file)
        assert f"{picture.width}x{picture.height}" == size
        assert picture.getpixel((picture.width // 2, 3)) == COLOUR
        assert json.loads(picture.info["limner"])["prompt"] == PROMPT


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_other_formats_keep_how_it_was_made(asking: openai.OpenAI, kind: Any) -> None:
    answer = asking.images.generate(
        prompt=PROMPT, output_format=kind, output_compression=80, size="128x128", extra_body={"seed": 7}
    )
    assert answer.output_format == kind and answer.data is not None and answer.data[0].url is not None
    by_url = httpx.get(answer.data[0].url)
    assert by_url.headers["content-type"] == f"image/{kind}"
    assert by_url.content == base64.b64decode(answer.data[0].b64_json or "")
    picture = opened(by_url.content)
    assert picture.format == kind.upper() and picture.size == (128, 128)
    comment = picture.getexif().get_ifd(0x8769)[0x9286]
    assert comment.startswith(b"UNICODE\0") and comment[8:].decode("utf-16-be").startswith(PROMPT)


def test_more_compression_is_a_smaller_file(asking: openai.OpenAI) -> None:
    def length(compression: int) -> int:
        answer = asking.images.generate(
            prompt=PROMPT,
            output_format="jpeg",
            output_compression=compression,
            response_format="b64_json",
            extra_body={"seed": 77},
        )
        assert answer.data is not None
        return len(answer.data[0].b64_json or "")

    assert length(0) < length(100)


@pytest.mark.parametrize(
    ("quality", "steps", "told"),
    [
        ("low", 2, "low"),
        ("medium", 4, "medium"),
        ("auto", 4, "medium"),
        ("standard", 4, "medium"),
        ("high", 8, "high"),
        ("hd", 8, "high"),
    ],
)
def test_quality_is_a_matter_of_steps(
    asking: openai.OpenAI, steady: Server, quality: Any, steps: int, told: str
) -> None:
    answer = asking.images.generate(prompt=PROMPT, quality=quality)
    assert answer.quality == told and steady.studio.started[-1].steps == steps


@pytest.mark.parametrize("quality", [None, "auto"])
def test_steps_may_be_said_in_place_of_a_quality(asking: openai.OpenAI, steady: Server, quality: Any) -> None:
    answer = asking.images.generate(prompt=PROMPT, quality=quality, extra_body={"steps": 3})
    assert steady.studio.started[-1].steps == 3
    assert answer.data is not None and answer.data[0].model_dump()["limner"]["steps"] == 3


def test_whom_it_is_for_is_told_again(asking: openai.OpenAI) -> None:
    assert asking.images.generate(prompt=PROMPT, user="ann").safety_identifier == "ann"
    both = asking.images.generate(prompt=PROMPT, user="ann", safety_identifier="s1")
    assert both.safety_identifier == "s1"


def test_a_word_of_several_senses_is_read_as_its_reader_means_it(
    client: openai.OpenAI, server: Server, tmp_path: Path
) -> None:
    server.studio.folder = tmp_path / "model"
    server.studio.folder.mkdir()
    (server.studio.folder / "lexicon.json").write_text(json.dumps(LEXICON), encoding="utf-8")
    british = {"accept-language": "en-GB,en;q=0.9"}
    for headers, fields, sense in (
        ({}, {}, "torch"),
        (british, {}, "flashlight"),
        ({}, {"locale": "en-GB"}, "flashlight"),
        (british, {"readings": {"torch": "torch"}}, "torch"),
    ):
        answer = client.images.generate(prompt=TORCH, extra_headers=headers, extra_body=fields)
        assert answer.data is not None and note(answer.data[0])["readings"] == {"torch": sense}
        assert server.studio.started[-1].prompt == f"a {sense} on the beach"
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    form: dict[str, Any] = {"image": ("a.png", file.getvalue()), "prompt": TORCH}
    edited = client.images.edit(**form, extra_body={"readings": '{"torch": "flashlight"}'})
    assert edited.data is not None and note(edited.data[0])["readings"] == {"torch": "flashlight"}
    for wrong in ("{", '{"torch": "banana"}'):
        with pytest.raises(openai.BadRequestError) as caught:
            client.images.edit(**form, extra_body={"readings": wrong})
        assert caught.value.param == "readings"


def test_what_asks_for_nothing_else_is_taken(asking: openai.OpenAI) -> None:
    answer = asking.images.generate(
        prompt=PROMPT,
        model="storybook",
        n=None,
        size="auto",
        quality="auto",
        background="opaque",
        moderation="auto",
        output_format="png",
        stream=False,
        partial_images=0,
        style=None,
    )
    assert answer.data is not None and len(answer.data) == 1


def test_the_asynchronous_client(steady: Server) -> None:
    async def drawn() -> openai.types.ImagesResponse:
        async with steady.asynchronous() as client:
            return await client.images.generate(prompt=PROMPT)

    assert asyncio.run(drawn()).data


def test_models_are_listed_and_named(asking: openai.OpenAI) -> None:
    listed = list(asking.models.list())
    assert [(model.id, model.object, model.owned_by) for model in listed] == [
        ("storybook", "model", "limner")
    ]
    assert asking.models.retrieve("storybook@1").id == "storybook@1"
    with pytest.raises(openai.NotFoundError) as refused:
        asking.models.retrieve("gpt-image-2")
    assert refused.value.code == "model_not_found" and "storybook" in refused.value.message


def test_the_served_model_answers_to_names_of_others(tmp_path: Path) -> None:
    with serving(tmp_path, frozenset({"gpt-image-2"})) as server, server.client() as client:
        answer = client.images.generate(prompt=PROMPT, model="gpt-image-2")
        assert answer.data is not None and note(answer.data[0])["model"] == "storybook"
        assert [model.id for model in client.models.list()] == ["gpt-image-2", "storybook"]
        assert client.models.retrieve("gpt-image-2").id == "gpt-image-2"
        with pytest.raises(openai.NotFoundError):
            client.images.generate(prompt=PROMPT, model="gpt-image-1")


@pytest.mark.parametrize(
    ("name", "said"), [("storybook", "leave it out"), ("GPT 4", "cannot be"), ("a@b", "cannot be")]
)
def test_a_name_that_the_served_model_cannot_have(name: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        further_names([name], FakeStudio().models())
