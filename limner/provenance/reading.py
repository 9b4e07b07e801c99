"""What a picture file tells of itself, and whether its signature holds."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict

from ..errors import InvalidInput
from .signing import library

_KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
_MARKS = {"PNG": b"caBX", "JPEG": b"c2pa", "WEBP": b"C2PA"}
_UNTRUSTED = "signingCredential.untrusted"


class Told(BaseModel):
    """What a picture tells: `settings` are Limner's own, as text that anybody may change; the rest is signed.

    `signature` is none, broken (then `wrong` says what), holds, or trusted: by an authority that was named. `by` is who
    signed, `generator` with what, `actions` what was done, the last one last, `models` by which models.
    """

    model_config = ConfigDict(frozen=True)

    width: int
    height: int
    settings: dict[str, Any] | None = None
    signature: Literal["none", "broken", "holds", "trusted"] = "none"
    by: str | None = None
    generator: str | None = None
    actions: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    source_type: str | None = None
    ingredients: int = 0
    wrong: tuple[str, ...] = ()


def read_told(picture: bytes | Path, anchors: bytes | None = None) -> Told:
    """Read a PNG, JPEG or WebP file, or its bytes; `anchors` are certificates (PEM) of authorities that are trusted.

    InvalidInput where it is no such picture; Unavailable where it is signed and the extra [scale] is not installed.
    """
    name = f"'{picture}'" if isinstance(picture, Path) else "it"
    try:
        data = picture.read_bytes() if isinstance(picture, Path) else picture
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {error.strerror}") from None
    try:
        with Image.open(BytesIO(data), formats=tuple(_KINDS)) as opened:
            kind, size, text = str(opened.format), opened.size, opened.info.get("limner")
    except (UnidentifiedImageError, ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        raise InvalidInput(f"{name} is no PNG, JPEG or WebP that can be read") from None
    told = Told(width=size[0], height=size[1], settings=_settings(text))
    if _MARKS[kind] not in data:
        return told
    return told.model_copy(update=_signed(data, _KINDS[kind], anchors))


def _settings(text: object) -> dict[str, Any] | None:
    try:
        told = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _signed(data: bytes, kind: str, anchors: bytes | None) -> dict[str, Any]:
    c2pa = library()
    settings: dict[str, Any] = {"verify": {"verify_trust": anchors is not None}}
    if anchors is not None:
        settings["trust"] = {"trust_anchors": anchors.decode("ascii", "replace")}
    try:
        with c2pa.Reader(kind, BytesIO(data), context=c2pa.Context.from_dict(settings)) as reader:
            store = json.loads(reader.json())
    except c2pa.C2paError as error:
        said = " ".join(str(error).split())
        if said.startswith("ManifestNotFound"):
            return {}
        return {"signature": "broken", "wrong": (said[:200],)}
    return _of(store)


def _of(store: dict[str, Any]) -> dict[str, Any]:
    manifest = store["manifests"][store["active_manifest"]]
    results = store.get("validation_results", {}).get("activeManifest", {})
    wrong = tuple(dict.fromkeys(each["code"] for each in results.get("failure", ())))
    state = str(store.get("validation_state"))
    signature = {"Trusted": "trusted", "Valid": "holds"}.get(state, "broken")
    if signature == "broken" and wrong == (_UNTRUSTED,):
        signature = "holds"
    made = [each for each in manifest.get("assertions", ()) if each["label"].startswith("c2pa.actions")]
    actions = [action for each in made for action in each["data"]["actions"]]
    generator = (manifest.get("claim_generator_info") or [{}])[0]
    agents = [action["softwareAgent"] for action in actions if isinstance(action.get("softwareAgent"), dict)]
    signed = manifest.get("signature_info", {})
    return {
        "signature": signature,
        "wrong": wrong,
        "by": signed.get("common_name") or signed.get("issuer"),
        "generator": " ".join(str(generator[name]) for name in ("name", "version") if name in generator)
        or None,
        "actions": tuple(str(action.get("action")) for action in actions),
        "models": tuple(f"{agent.get('name')}@{agent.get('version')}" for agent in agents),
        "source_type": next((str(a["digitalSourceType"]) for a in actions if "digitalSourceType" in a), None),
        "ingredients": len(manifest.get("ingredients", ())),
    }
