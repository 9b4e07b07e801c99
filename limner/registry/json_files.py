"""Reading the small JSON files that lie beside weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import InvalidInput, NotFound


def read_object(file: Path) -> dict[str, Any]:
    """A JSON object; NotFound without the file, InvalidInput where it holds anything else."""
    try:
        value = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise NotFound(f"'{file}' not found") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{file} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidInput(f"{file} is not a JSON object")
    return value
