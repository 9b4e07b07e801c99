"""Whether there are traces: only where the environment says where they go."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...extras import needs_extra

if TYPE_CHECKING:
    from .traces import Traces

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def traces_of_environment() -> Traces | None:
    """Traces where one of ENDPOINTS is set, else None; Unavailable without what they need."""
    named = next((name for name in ENDPOINTS if os.environ.get(name)), None)
    if named is None:
        return None
    with needs_extra("scale", f"tracing, which {named} asks for,"):
        from .traces import Traces
    return Traces()
