"""Signing pictures after the specification of C2PA (2.1): what made them, of which model, from which picture."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from .. import __version__
from ..errors import Unavailable
from ..extras import needs_extra

_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
DRAWN = f"{_SOURCE_TYPES}trainedAlgorithmicMedia"
EDITED = f"{_SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
_BEGINNING = "beginning"
OFFLINE = {"remote_manifest_fetch": False, "ocsp_fetch": False}
"""For the part `verify` of C2PA's settings: no address that a picture or a certificate names is ever asked."""

_SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"verify_after_sign": False, **OFFLINE},
}


class Signer:
    """Signs with one key. `sign` may be called from any thread; Unavailable says why something cannot be signed."""

    def __init__(self, algorithm: str, certificates: bytes, key: bytes) -> None:
        """`certificates` and `key` (PKCS 8) are PEM, `algorithm` is C2PA's name of it, such as es256.
        `mark` says by whom is signed, for who keeps signed pictures.

        Unavailable without the extra [scale]. Nothing that this raises or shows has the key in it.
        """
        c2pa = library()
        self.mark = f"\nsigned {hashlib.sha256(certificates).hexdigest()}"
        self._lock = threading.Lock()
        self._context = c2pa.Context.from_dict(_SETTINGS)
        try:
            info = c2pa.C2paSignerInfo(algorithm.encode(), certificates, key, None)
            self._signer = c2pa.Signer.from_info(info)
        except c2pa.C2paError as error:
            raise Unavailable(f"no signature can be made with it: {_told(error)}") from None

    def sign(self, png: bytes, model: str, version: str, begun: bytes | None = None) -> bytes:
        """The PNG, signed: drawn by a model, or, where it `begun` with another picture (a PNG), an edit of that."""
        agent = {"name": model, "version": version}
        if begun is None:
            action = {"action": "c2pa.created", "digitalSourceType": DRAWN, "softwareAgent": agent}
            return self._signed(png, "image/png", [action], None)
        edited = {"action": "c2pa.edited", "digitalSourceType": EDITED, "softwareAgent": agent}
        return self._signed(png, "image/png", [_opened(), edited], begun)

    def sign_copy(self, file: bytes, kind: str, original: bytes) -> bytes:
        """A copy of the signed PNG `original` in another size or format (`kind`: png, jpeg or webp), signed as such."""
        actions = [_opened(), {"action": "c2pa.transcoded"}, {"action": "c2pa.resized"}]
        return self._signed(file, f"image/{kind}", actions, original)

    def _signed(self, file: bytes, kind: str, actions: Sequence[Any], begun: bytes | None) -> bytes:
        c2pa = library()
        manifest = {
            "claim_generator_info": [{"name": "Limner", "version": __version__}],
            "format": kind,
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": list(actions)}}],
        }
        signed = BytesIO()
        try:
            with self._lock, c2pa.Builder(json.dumps(manifest), context=self._context) as builder:
                if begun is not None:
                    told = {"title": _BEGINNING, "relationship": "parentOf", "instance_id": _BEGINNING}
                    builder.add_ingredient(json.dumps(told), "image/png", BytesIO(begun))
                builder.sign(self._signer, kind, BytesIO(file), signed)
        except c2pa.C2paError as error:
            raise Unavailable(f"the picture cannot be signed: {_told(error)}") from None
        return signed.getvalue()


def _opened() -> dict[str, Any]:
    return {"action": "c2pa.opened", "parameters": {"ingredientIds": [_BEGINNING]}}


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def library() -> Any:
    """The package c2pa; Unavailable where it is not installed."""
    with needs_extra("scale", "signing pictures and reading what is signed"):
        import c2pa
    return c2pa
