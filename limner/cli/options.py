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
    TORCH = "torch"


class Device(StrEnum):
    """Where networks run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


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
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--encryption-key-file",
        envvar="LIMNER_ENCRYPTION_KEY_FILE",
        help="A file of 32 bytes in base64 that seals pictures and backups.",
    ),
]
C2paCert = Annotated[
    Path | None,
    typer.Option(
        "--c2pa-cert",
        metavar="FILE",
        help="Sign pictures (C2PA): a certificate and the chain that issued it, PEM.",
        rich_help_panel="Where pictures come from",
    ),
]
C2paKey = Annotated[
    Path | None,
    typer.Option(
        "--c2pa-key",
        metavar="FILE",
        help="The certificate's private key, PEM.",
        rich_help_panel="Where pictures come from",
    ),
]
BackendOption = Annotated[Backend, typer.Option("--backend", help="What runs the networks.")]
DeviceOption = Annotated[
    Device, typer.Option("--device", help="Where: auto is a GPU where there is one and a backend for it.")
]


def space(text: str) -> int:
    """Bytes of "2GB" or "512 MiB"."""
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is no number of bytes; write it like 512MB or 2GB") from None


def memory_size(text: str) -> int:
    """Bytes as `space` reads them; at least 64 MB, for less holds no engine."""
    size = space(text)
    if size < 64_000_000:
        raise typer.BadParameter(f"{text!r} is too little memory for an engine; at least 64MB")
    return size


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
