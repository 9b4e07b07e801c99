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
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="LIMNER_DATABASE",
        help="postgresql://user@host/name; without it jobs are in a file of the data directory.",
    ),
]
ImagesPlace = Annotated[
    str | None,
    typer.Option(
        "--images",
        envvar="LIMNER_IMAGES",
        help="s3://bucket/prefix, with ?endpoint=https://... beyond AWS, or a folder; without it pictures are in the "
        "data directory.",
    ),
]
BackendOption = Annotated[Backend, typer.Option("--backend", help="What runs the networks.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
