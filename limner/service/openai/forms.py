"""Requests that come as forms with files in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from ...errors import InvalidInput
from .asked import NOT_HERE

_MOST_FILES, _MOST_FIELDS, _MOST_TEXT = 20, 40, 64 * 1024


@dataclass(frozen=True)
class Form:
    """The texts of a form by name, and its files; a field that is left empty is left out."""

    fields: Mapping[str, str]
    files: Mapping[str, bytes]


async def read_form(request: Request, files: tuple[str, ...]) -> Form:
    """Read a form, whose first of `files` must be there; a list of one, as `image[]`, is that one.

    InvalidInput names what is missing, is there twice, is no file or should be none.
    """
    try:
        form = await request.form(max_files=_MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=_MOST_TEXT)
    except UnicodeError:
        raise InvalidInput("the form cannot be read in the charset that it names; send UTF-8") from None
    try:
        return await _read(form, files)
    finally:
        await form.close()


async def _read(form: FormData, files: tuple[str, ...]) -> Form:
    texts: dict[str, str] = {}
    found: dict[str, bytes] = {}
    for told, value in form.multi_items():
        name = told.encode("utf-8", "replace").decode()  # halves of surrogates, which some charsets give
        plain = name.partition("[")[0][:80]
        if plain in NOT_HERE:
            raise InvalidInput("this cannot be honoured here; leave it out", field=plain)
        if plain in texts or plain in found:
            several = "one picture can be worked on at a time" if plain in files else "it is there twice"
            raise InvalidInput(f"{several}; send it once", field=plain)
        if isinstance(value, UploadFile) != (plain in files):
            way_out = "send it as a file" if plain in files else "send no file of that name"
            raise InvalidInput(way_out, field=plain)
        if isinstance(value, UploadFile):
            found[plain] = await value.read()
        elif value:
            texts[plain if name.endswith("[]") else name] = value
    if files[0] not in found:
        raise InvalidInput("missing; send a picture as a file", field=files[0])
    return Form(texts, found)


def form_schema(kind: type[BaseModel], files: tuple[str, ...]) -> dict[str, Any]:
    """The OpenAPI description of a form: a request's fields, which cannot be null here, and files."""
    schema = kind.model_json_schema()
    schema["properties"] = {name: _not_null(field) for name, field in schema["properties"].items()}
    for name in files:
        schema["properties"][name] = {"type": "string", "format": "binary"}
    schema["required"] = [*schema.get("required", []), files[0]]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def _not_null(field: dict[str, Any]) -> dict[str, Any]:
    some = [way for way in field.get("anyOf", []) if way != {"type": "null"}]
    rest = {name: value for name, value in field.items() if name not in ("anyOf", "default")}
    return rest | some[0] if len(some) == 1 else field
