"""Pictures known again: what was drawn before is answered at once, without the engine.

The same owner, the same settled request with its seed, the same files of the model, the same backend and Limner: the
same picture. Its digest lies with each picture of a job, so what is known is what is kept: a picture that is deleted,
or goes with its job, is drawn again. Other owners' pictures are never looked at, for an answer that comes at once would
tell that somebody had asked for just this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, Engine

from ..engine.request import DrawRequest
from . import statements
from .images import ImageStore
from .records import Image, as_image


def settled(request: DrawRequest) -> bool:
    """Whether a request, as it was asked, names its seeds: another one is drawn anew each time."""
    varied = request.variation_seed is not None or request.variation_strength is not None
    return request.seed is not None and not (varied and request.variation_seed is None)


def digest(request: DrawRequest, identity: str) -> str:
    """Stands for one picture: its resolved request, and what draws it (`Studio.identity`)."""
    return hashlib.sha256(f"{identity}\n{request.model_dump_json()}".encode()).hexdigest()


def drawn_before(
    engine: Engine, images: ImageStore, owner: str, request: DrawRequest, n: int, identity: str
) -> list[Image]:
    """Those of the `n` pictures of a resolved request that `owner` has, by their index in the job that asks for them.

    StorageDown where the store cannot say whether a picture is still there.
    """
    asked = {digest(request.nth(index), identity): index for index in range(n)}
    with engine.begin() as connection:
        found = [as_image(row) for row in statements.known(connection, owner, asked)]
    return [
        replace(image, index=asked[image.digest], seconds=0.0, reused=True)
        for image in found
        if image.digest is not None and all(images.has(each) for each in (image.id, *image.beside.ids))
    ]


def still_there(connection: Connection, owner: str, images: Sequence[Image]) -> list[Image]:
    """Those of the pictures that were known just now which are known still."""
    digests = [image.digest for image in images if image.digest is not None]
    if not digests:
        return []
    left = {row.digest: row.image for row in statements.known(connection, owner, digests)}
    return [image for image in images if left.get(image.digest) == image.id]
