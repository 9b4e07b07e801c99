"""Options that several verbs share, spelt the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_PORT = 8400


class Backend(StrEnum):
    """What runs the networks."""

    AUTO = "auto"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"


DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where models, jobs and pictures live (else LIMNER_DATA_DIR)."),
]
BackendOption = Annotated[Backend, typer.Option("--backend", help="What runs the networks.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
