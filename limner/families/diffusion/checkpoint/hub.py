"""Checkpoints from the Hugging Face hub: the files of a diffusers pipeline, gone on with where a download was cut."""

from __future__ import annotations

import re
from pathlib import Path

from ....errors import NotFound, Unavailable
from .reading import PARTS

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")
_WANTED = [
    "model_index.json",
    *(f"{part}/config.json" for part in PARTS),
    *(f"{part}/*.safetensors*" for part in PARTS),
    "tokenizer/*",
    "scheduler/*",
]


def is_hub_id(source: str) -> bool:
    """Whether this is written like the name of a repository on the hub, `owner/name` or `owner/name@revision`."""
    return _ID.fullmatch(source) is not None


def download(source: str) -> Path:
    """The folder of a pipeline from the hub, fetched with progress into the hub's own cache.

    What is there already is not fetched again. NotFound where the hub knows no such repository; Unavailable where it
    cannot be reached.
    """
    # Quick to find and free of torch; tokenizers brings it along.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    name, _, revision = source.partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=_WANTED))
    except RepositoryNotFoundError:
        raise NotFound(
            f"'{name}' is neither a file or folder here nor a public repository of the hub"
        ) from None
    except LocalEntryNotFoundError:
        raise Unavailable(
            f"cannot reach the hub to download '{name}'; go on later with the same command, or name a folder or a "
            ".safetensors file"
        ) from None
    except (HfHubHTTPError, OSError) as error:
        gist = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Unavailable(
            f"downloading '{name}' stopped ({gist}); the same command goes on where it was"
        ) from None
