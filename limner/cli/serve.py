"""`limner serve`: the page and the calls, on this machine."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InvalidInput
from .options import (
    DEFAULT_PORT,
    Backend,
    BackendOption,
    C2paCert,
    C2paKey,
    DatabaseUrl,
    DataDir,
    Device,
    DeviceOption,
    ImagesPlace,
    KeyFile,
    memory_size,
    space,
)

_REACH = "From where it is reached"
_GATES = "What is not drawn"
if TYPE_CHECKING:
    from ..service.mqtt import Broker


class LogForm(StrEnum):
    """How the service logs."""

    HUMAN = "human"
    JSON = "json"


def serve(
    port: Annotated[int, typer.Option(envvar="PORT", help="The port; 0 takes a free one.")] = DEFAULT_PORT,
    host: Annotated[
        str,
        typer.Option(help="The address to listen on; other machines' need a key.", rich_help_panel=_REACH),
    ] = "127.0.0.1",
    model: Annotated[str, typer.Option(help="The model that is loaded at the start.")] = "storybook",
    data_dir: DataDir = None,
    backend: BackendOption = Backend.AUTO,
    device: DeviceOption = Device.AUTO,
    tls_cert: Annotated[
        Path | None, typer.Option(help="A certificate, PEM: the service speaks TLS.", rich_help_panel=_REACH)
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="The certificate's key, PEM.", rich_help_panel=_REACH)
    ] = None,
    trust_proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="A proxy, or a network of them, whose X-Forwarded headers are believed; may be given again.",
            rich_help_panel=_REACH,
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="A site whose pages may use the service, such as https://shop.example; may be given again.",
            rich_help_panel=_REACH,
        ),
    ] = None,
    database: DatabaseUrl = None,
    images: ImagesPlace = None,
    encryption_key_file: KeyFile = None,
    keep_days: Annotated[
        float | None, typer.Option(min=0, help="Forget jobs and their pictures so many days after their end.")
    ] = None,
    keep_space: Annotated[
        int | None,
        typer.Option(
            parser=space,
            metavar="SIZE",
            help="Forget the oldest jobs where pictures take more, such as 20GB.",
        ),
    ] = None,
    log_format: Annotated[
        LogForm, typer.Option(help="Warnings in words, or every event as JSON.")
    ] = LogForm.HUMAN,
    log_prompts: Annotated[bool, typer.Option("--log-prompts", help="Log prompts, too, as JSON.")] = False,
    engine_memory: Annotated[
        int | None,
        typer.Option(
            parser=memory_size,
            metavar="SIZE",
            help="Replace the engine's process between pictures when it holds more than this, such as 4GB.",
        ),
    ] = None,
    model_memory: Annotated[
        int | None,
        typer.Option(
            parser=memory_size,
            metavar="SIZE",
            help="Let models go that were used longest ago when the engine holds more than this; without, two stay.",
        ),
    ] = None,
    preload: Annotated[
        list[str] | None,
        typer.Option(help="A further model to load at the start; may be given several times."),
    ] = None,
    answers_to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A model of OpenAI's for which their clients get this one; may be repeated."
        ),
    ] = None,
    mqtt: Annotated[
        str | None,
        typer.Option(
            metavar="mqtts://USER@HOST:PORT/PREFIX",
            help="Serve devices by way of this MQTT broker too; its password in LIMNER_MQTT_PASSWORD.",
        ),
    ] = None,
    mqtt_ca: Annotated[
        Path | None,
        typer.Option(help="Certificates to trust of the broker, instead of the system's."),
    ] = None,
    mqtt_key: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The key with which devices draw: its quota, its weight, until it is revoked.",
        ),
    ] = None,
    refuse_words: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Refuse prompts that have a word or phrase of this file, one a line.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A gate that an installed package brings for prompts or pictures; may be given again.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    gate_seconds: Annotated[
        float, typer.Option(help="How long a gate may take to answer.", rich_help_panel=_GATES)
    ] = 5.0,
    c2pa_cert: C2paCert = None,
    c2pa_key: C2paKey = None,
) -> None:
    """Serve the page; says where it is, and runs until Ctrl-C, finishing what it is drawing."""
    from ..provenance import SignerFiles
    from ..service import StorageOptions
    from ..service import serve as run
    from ..service.gates import GateOptions
    from ..service.reach import Reach
    from ..service.watching import LogSettings

    if log_prompts and log_format is not LogForm.JSON:
        raise InvalidInput(
            "--log-prompts needs --log-format json: people's form logs warnings alone", "log_prompts"
        )
    reach = Reach(host, tuple(allow_origin or ()), tuple(trust_proxy or ()), tls_cert, tls_key)
    logs = LogSettings(log_format.value, log_prompts)
    run(
        port,
        data_dir,
        model,
        reach,
        f"{backend.value}@{device.value}",
        typer.echo,
        storage=StorageOptions(database, images, encryption_key_file, keep_days, keep_space),
        logs=logs,
        engine_memory=engine_memory,
        model_memory=model_memory,
        preload=preload or (),
        answers_to=answers_to or (),
        broker=_broker(mqtt, mqtt_ca, mqtt_key),
        gates=GateOptions(refuse_words, tuple(gate or ()), gate_seconds),
        signing=SignerFiles(c2pa_cert, c2pa_key),
    )


def _broker(url: str | None, ca: Path | None, key: str | None) -> Broker | None:
    if url is None:
        return None
    from ..extras import needs_extra
    from ..service.mqtt.broker import broker_of

    with needs_extra("scale", "--mqtt"):
        import aiomqtt  # noqa: F401
    return broker_of(url, os.environ.get("LIMNER_MQTT_PASSWORD"), ca, key)
