from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from limner.engine.png import encode
from limner.engine.request import DrawRequest, Picture

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8)


def picture(name: str = "storybook", **changes: object) -> Picture:
    asked = {
        "prompt": "a red apple, on a wooden table",
        "seed": 7,
        "steps": 20,
        "guidance_scale": 4.5,
        "sampler": "dpm++2m",
        "width": 16,
        "height": 8,
    }
    return Picture(PIXELS, DrawRequest.model_validate(asked | changes), name, "3", 0.5)


def text_of(png: bytes) -> dict[str, str]:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return {str(name): str(value) for name, value in image.info.items()}


def test_pixels_survive() -> None:
    with Image.open(io.BytesIO(encode(picture()))) as image:
        assert np.array_equal(np.asarray(image), PIXELS)


def test_parameters_have_the_form_that_other_tools_read() -> None:
    lines = text_of(encode(picture(negative_prompt="rain")))["parameters"].split("\n")
    assert lines[:2] == ["a red apple, on a wooden table", "Negative prompt: rain"]
    # The web UI's own expression for a setting.
    found = dict(re.findall(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)', lines[2]))
    assert found["Steps"] == "20" and found["Sampler"] == "DPM++ 2M" and found["CFG scale"] == "4.5"
    assert found["Seed"] == "7" and found["Size"] == "16x8" and found["Model"] == "storybook@3"


def test_the_request_can_be_read_back() -> None:
    text = json.loads(text_of(encode(picture()))["limner"])
    assert text.pop("version") == "3"
    assert DrawRequest.model_validate(text) == picture().request


@pytest.mark.parametrize("reference", ["/home/someone/birds", "..\\someone\\birds", "birds@2", "birds"])
def test_a_picture_names_its_model_but_not_its_folder(reference: str) -> None:
    png = encode(picture("birds", model=reference))
    assert json.loads(text_of(png)["limner"])["model"] == "birds"
    assert b"someone" not in png


@pytest.mark.parametrize(
    ("prompt", "chunk", "encoding"),
    [
        ("ein grüner Apfel", b"tEXtparameters", "latin-1"),
        ("красное яблоко", b"iTXtparameters", "utf-8"),
        ("🍎 x", b"iTXtparameters", "utf-8"),
    ],
)
def test_any_prompt_lies_open_in_the_file(prompt: str, chunk: bytes, encoding: str) -> None:
    png = encode(picture(prompt=prompt))
    assert chunk in png and prompt.encode(encoding) in png
    assert text_of(png)["parameters"].startswith(prompt + "\n")


def test_a_prompt_of_two_lines_cannot_pass_for_settings() -> None:
    text = text_of(encode(picture(prompt="an apple\nSteps: 99")))
    assert text["parameters"].split("\n")[0] == "an apple Steps: 99"
    assert json.loads(text["limner"])["prompt"] == "an apple\nSteps: 99"
