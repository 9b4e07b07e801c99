"""Whatever `--matcher` names: a matcher trained here, or a CLIP checkpoint."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ...errors import Unavailable
from ...registry.models import Registry
from .matcher import Matcher, open_matcher


def named_matcher(registry: Registry, reference: str, backend: str = "auto") -> Matcher:
    """The matcher that a reference means: a model as `Registry.find`, or a folder with a CLIP checkpoint.

    Errors as `open_matcher` and `open_clip`; Unavailable where a checkpoint needs the extra that is missing.
    """
    folder = Path(reference)
    if ("/" in reference or "\\" in reference) and (folder / "config.json").is_file():
        if not all(importlib.util.find_spec(name) for name in ("torch", "transformers")):
            raise Unavailable(
                f"the CLIP checkpoint {folder} needs torch and transformers; "
                "in a clone of Limner: pip install -e '.[train]' -c constraints.txt"
            )
        from .clip import open_clip

        return open_clip(folder)
    return open_matcher(registry.find(reference), backend)
