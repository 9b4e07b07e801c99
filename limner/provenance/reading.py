"""What a picture file tells of itself, and whether its signature holds."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ..errors import InvalidInput
from ..extras import needs_extra
from .signing import OFFLINE, library

_KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
_MARKS = {"PNG": b"caBX", "JPEG": b"c2pa", "WEBP": b"C2PA"}
_UNTRUSTED = "signingCredential.untrusted"
_EXPIRED = "signingCredential.expired"
_object = TypeAdapter(dict[str, Any])


class Told(BaseModel):
    """What a picture tells: `settings` are Limner's own, as text that anybody may change; the rest is signed.

    `signature` is none, elsewhere (at an address that the picture names, which is not asked), broken (then `wrong` says
    what), expired (it is as it was signed, by a certificate that has expired since), holds, or trusted: by an authority
    that was named. `by` is who signed, `generator` with what, `actions` what was done, the last one last, `models` by
    which models.
    """

    model_config = ConfigDict(frozen=True)

    width: int
    height: int
    settings: dict[str, Any] | None = None
    signature: Literal["none", "elsewhere", "broken", "expired", "holds", "trusted"] = "none"
    by: str | None = None
    generator: str | None = None
    actions: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    source_type: str | None = None
    ingredients: int = 0
    wrong: tuple[str, ...] = ()


def read_told(picture: bytes | Path, anchors: bytes | Path | None = None) -> Told:
    """Read a PNG, JPEG or WebP file, or its bytes; `anchors` are certificates (PEM) of authorities that are trusted.

    InvalidInput where it is no such picture, or where `anchors` are no certificates; Unavailable where it is signed and
    the extra [scale] is not installed.
    """
    name = f"'{picture}'" if isinstance(picture, Path) else "it"
    data, trusted = _bytes(picture), None if anchors is None else _bytes(anchors)
    try:
        with Image.open(BytesIO(data), formats=tuple(_KINDS)) as opened:
            kind, size, text = str(opened.format), opened.size, opened.info.get("limner")
    except (UnidentifiedImageError, ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        raise InvalidInput(f"{name} is no PNG, JPEG or WebP that can be read") from None
    told = Told(width=size[0], height=size[1], settings=_settings(text))
    if _MARKS[kind] not in data:
        return told
    settings: dict[str, Any] = {"verify": {"verify_trust": trusted is not None, **OFFLINE}}
    if trusted is not None:
        _check_anchors(trusted, "what is to be trusted" if isinstance(anchors, bytes) else f"'{anchors}'")
        settings["trust"] = {"trust_anchors": trusted.decode("ascii", "replace")}
    return told.model_copy(update=_signed(data, _KINDS[kind], settings))


def _bytes(file: bytes | Path) -> bytes:
    if isinstance(file, bytes):
        return file
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"'{file}' cannot be read: {error.strerror}") from None


def _settings(text: object) -> dict[str, Any] | None:
    try:
        return _object.validate_json(text) if isinstance(text, str) else None
    except ValidationError:
        return None


def _check_anchors(anchors: bytes, name: str) -> None:
    with needs_extra("scale", "reading certificates"):
        from cryptography import x509
    try:
        x509.load_pem_x509_certificates(anchors)
    except ValueError:
        raise InvalidInput(
            f"{name} holds no certificate in PEM that can be read; give those of authorities that you trust",
            field="trust",
        ) from None


def _signed(data: bytes, kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    c2pa = library()
    context = c2pa.Context.from_dict(settings)
    try:
        with c2pa.Reader(kind, BytesIO(data), context=context) as reader:
            store = json.loads(reader.json())
    except c2pa.C2paError as error:
        said = " ".join(str(error).split())
        if said.startswith("ManifestNotFound"):
            return {}
        if said.startswith("Remote"):
            return {"signature": "elsewhere"}
        return {"signature": "broken", "wrong": (said[:200],)}
    return _of(store)


def _of(store: dict[str, Any]) -> dict[str, Any]:
    manifest = store["manifests"][store["active_manifest"]]
    results = store.get("validation_results", {}).get("activeManifest", {})
    wrong = tuple(dict.fromkeys(each["code"] for each in results.get("failure", ())))
    state = str(store.get("validation_state"))
    signature = {"Trusted": "trusted", "Valid": "holds"}.get(state, "broken")
    if signature == "broken" and wrong and {*wrong} <= {_UNTRUSTED, _EXPIRED}:
        signature = "expired" if _EXPIRED in wrong else "holds"
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
