"""What edits and variations begin from: pictures and masks in OpenAI's form, as those of a Limner request."""

from __future__ import annotations

import io
import json
from typing import Any

from PIL import Image
from pydantic import ValidationError

from ...engine.request import DrawRequest
from ...engine.source import MOST_PIXELS
from ...errors import InvalidInput, Refused
from ...pictures import read_picture
from .asked import Edit, Variation
from .drawing import Desk

NEAR = 0.4
"""The strength of an edit that is to stay near to its picture."""
_NO_WORDS = "a picture"


def of_edit(desk: Desk, asked: Edit, image: bytes, mask: bytes | None) -> dict[str, Any]:
    """Fields of the DrawRequest of an edit; transparent is what is redrawn, of the mask, or without one of the picture.

    InvalidInput names the file that cannot be used.
    """
    begun = {"image": _upload(desk, image, "image"), "strength": asked.strength}
    drawn = _redrawn(desk, mask, "mask") if mask is not None else _redrawn(desk, image, "image")
    if drawn is not None:
        return begun | {"mask": _upload(desk, drawn, "mask")}
    if mask is not None:
        raise InvalidInput(
            "nothing of it is transparent; make transparent what is to be redrawn", field="mask"
        )
    return begun | ({"strength": NEAR} if asked.input_fidelity == "high" else {})


def of_variation(desk: Desk, asked: Variation, image: bytes) -> tuple[str, dict[str, Any]]:
    """Prompt and fields of the DrawRequest of a variation.

    A picture that says how it was drawn, by this very model and from noise, is drawn again with noise near its own. Any
    other is a beginning, with the words that come with it or that are asked for.
    """
    model = desk.meant(asked.model).defaults.model
    image_id = _upload(desk, image, "image")
    said = _settings(desk, image)
    prompt = asked.prompt or (said.prompt if said else _NO_WORDS)
    near = said is not None and asked.prompt is None and model in (said.model, said.model.partition("@")[0])
    if said is None or not near or said.image is not None or said.variation_strength is not None:
        return prompt, {"image": image_id}
    kept = said.model_dump(
        include={"seed", "steps", "guidance_scale", "guidance_interval", "negative_prompt"}
    )
    size = {} if asked.size not in (None, "auto") else {"width": said.width, "height": said.height}
    return prompt, kept | size | {"variation_seed": asked.seed, "variation_strength": 0.3}


def _upload(desk: Desk, data: bytes, field: str) -> str:
    try:
        return desk.service.upload(data, desk.caller)[0]
    except Refused as error:
        raise Refused(str(error), field, error.gate, error.reason) from None
    except InvalidInput as error:
        raise InvalidInput(str(error), field=field) from None


def _redrawn(desk: Desk, data: bytes, field: str) -> bytes | None:
    """A Limner mask, white where a picture is transparent; None where nothing of it is."""
    with desk.service.decoding:
        picture = _read(data, field)
        if not picture.has_transparency_data:
            return None
        alpha = picture.convert("RGBA").getchannel("A")
        if alpha.getextrema()[0] >= 128:  # type: ignore[operator]
            return None
        file = io.BytesIO()
        alpha.point(lambda level: 255 - level).save(file, "PNG")
        return file.getvalue()


def _settings(desk: Desk, data: bytes) -> DrawRequest | None:
    """What a picture says of how it was drawn here, its model as name@version; None where it says nothing sound."""
    with desk.service.decoding:
        text = _read(data, "image").info.get("limner")
    try:
        told: dict[str, Any] = json.loads(text) if isinstance(text, str) else {}
        version = told.pop("version")
        return DrawRequest.model_validate(told | {"model": f"{told['model']}@{version}"})
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _read(data: bytes, field: str) -> Image.Image:
    try:
        return read_picture(data, most=MOST_PIXELS)
    except InvalidInput as error:
        raise InvalidInput(str(error), field=field) from None
