"""Checkpoints from the Hugging Face hub: one variant of each part, gone on with where a download was cut."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from ....errors import InvalidInput, NotFound, Unavailable
from .reading import SECOND_ENCODER, WEIGHTS, read_configs, shards, two_encoders, weight_files

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*(@[A-Za-z0-9_./-]+)?")
_SMALL = [*(f"{part}/config.json" for part in WEIGHTS), "tokenizer/*", "scheduler/*"]


def is_hub_id(source: str) -> bool:
    """Whether this is written like the name of a repository on the hub, `owner/name` or `owner/name@revision`."""
    return _ID.fullmatch(source) is not None


def download(source: str) -> Path:
    """A pipeline's folder or a checkpoint's file from the hub, fetched with progress into the hub's own cache.

    What is there already is not fetched again. Weights come last: InvalidInput where the list of files or the
    configurations say that they are of no Stable Diffusion 1 or 2. NotFound where the hub knows no such repository or
    revision, or it has no weights that can be read; Unavailable where it cannot be reached or the disk has no room.
    """
    # Quick to find and free of torch; tokenizers brings it along.
    import httpx2
    from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # what goes wrong is told once, below
    name, _, tag = source.partition("@")
    revision = tag or None

    def check_room(files: Sequence[str]) -> None:
        told = [hf_hub_download(name, file, revision=revision, dry_run=True) for file in files]
        size = sum(file.file_size or 0 for file in told if file.will_download)
        cache = Path(constants.HF_HUB_CACHE)
        cache.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(cache).free) < size:
            raise Unavailable(
                f"{cache} has {free / 1e9:.1f} GB left and the download needs {size / 1e9:.1f} GB; "
                "make room, or name another place in HF_HOME"
            )

    try:
        files = HfApi().list_repo_files(name, revision=revision)
        wanted = chosen(name, files)
        if isinstance(wanted, str):
            check_room([wanted])
            return Path(hf_hub_download(name, wanted, revision=revision))
        lists = [file for file in wanted if file.endswith(".json")]
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=[*_SMALL, *lists]))
        read_configs(folder)
        weights = [file for file in wanted if file not in lists]
        weights += [f"{Path(file).parent}/{shard}" for file in lists for shard in shards(folder / file)]
        check_room(weights)
        return Path(snapshot_download(name, revision=revision, allow_patterns=weights))
    except GatedRepoError:
        raise Unavailable(
            f"'{name}' is shown to those alone who have agreed to its terms; do so on its page and run 'hf auth login'"
        ) from None
    except RevisionNotFoundError:
        raise NotFound(f"the hub's '{name}' has no revision '{tag}'") from None
    except (RepositoryNotFoundError, HFValidationError):
        raise NotFound(f"'{name}' is neither a file or folder here nor a repository of the hub") from None
    except (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        httpx2.HTTPError,
        OSError,
    ) as error:
        gist = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Unavailable(
            f"cannot download '{name}' from the hub ({gist}); the same command goes on where it was, "
            "and a folder or a .safetensors file needs no hub"
        ) from None


def chosen(name: str, files: Sequence[str]) -> str | list[str]:
    """The files of a repository to fetch beside the small ones: weights of each part, or the one file there is.

    NotFound or InvalidInput where it has none that can be read, or is Stable Diffusion XL or later.
    """
    if any(file.startswith(f"{SECOND_ENCODER}/") for file in files):
        raise two_encoders(f"the hub's '{name}'")
    if "model_index.json" not in files:
        single = [file for file in files if "/" not in file and file.endswith(".safetensors")]
        if len(single) == 1:
            return single[0]
        raise NotFound(
            f"the hub's '{name}' is no diffusers pipeline and has {len(single)} .safetensors files; download one and "
            "name it"
        )
    found = []
    for part, stem in WEIGHTS.items():
        inside = [file.removeprefix(f"{part}/") for file in files if file.startswith(f"{part}/")]
        weights = weight_files(inside, stem)
        if weights is None:
            pickled = any(file.endswith(".bin") for file in inside)
            raise InvalidInput(
                f"the hub's '{name}' has no {stem}.safetensors for its {part}"
                + (": only a pickle, which can run any code when it is opened" if pickled else "")
            )
        found.append(f"{part}/{weights}")
    return found
