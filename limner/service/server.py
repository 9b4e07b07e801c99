"""Serving: one port of this machine, until a signal; then what is running is finished first."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.config import LOGGING_CONFIG

from ..engine.apart import ApartStudio, Rules
from ..errors import InvalidInput, Unavailable
from ..provenance import SignerFiles, open_signer
from ..registry.models import Registry
from ..registry.places import data_dir as place
from .access import KeyStore
from .app import create_app
from .database import beside_service
from .gates import GateOptions, open_gates
from .mqtt import Broker
from .openai.models import further_names
from .reach import THIS_MACHINE, Reach
from .service import Service
from .storage import StorageOptions
from .watching import FOR_PEOPLE, EventLog, LogSettings, Watching, log_as_json, traces_of_environment


def serve(
    port: int,
    data_dir: Path | None = None,
    model: str = "storybook",
    reach: Reach = THIS_MACHINE,
    backend: str = "auto",
    announce: Callable[[str], None] = print,
    storage: StorageOptions | None = None,
    logs: LogSettings = FOR_PEOPLE,
    engine_memory: int | None = None,
    model_memory: int | None = None,
    preload: Sequence[str] = (),
    answers_to: Sequence[str] = (),
    broker: Broker | None = None,
    gates: GateOptions | None = None,
    signing: SignerFiles | None = None,
) -> None:
    """Serve the page and the calls where `reach` says, on `port`, until SIGTERM or Ctrl-C; port 0 takes a free one.

    The engine runs in a process of its own; past `engine_memory` bytes it is replaced between pictures, past
    `model_memory` bytes models are let go that were used longest ago. `preload` names models that are loaded at the
    start besides `model`.

    `model`, a name or the path of a model directory, is loaded at the start, heads the list of models and
    draws what names no model, in exactly the version that it means now. `announce` is told where the page is, and what
    draws; `storage` says where jobs and pictures are kept, where not in `data_dir`; `logs` how it logs;
    `answers_to` are names of others' models that OpenAI's clients get it by.
    `broker` is where devices without HTTP ask; `gates` are what prompts and pictures must pass; `signing`
    is what pictures are signed with.
    InvalidInput beyond loopback where there are no keys, NotFound without the model, Unavailable where the port is
    taken or another service uses `data_dir`.
    """
    if logs.form == "json":
        log_as_json()
    traces = traces_of_environment()
    directory = place(data_dir)
    reach.check_certificate()
    opened = open_gates(gates or GateOptions())
    signer = open_signer(signing or SignerFiles())
    if reach.beyond:
        with beside_service(directory, storage.database if storage else None, make=True) as engine:
            reach.require_keys(KeyStore(engine).required())
    registry = Registry(directory)
    served = registry.find(model)
    if served not in registry.models():
        registry = Registry(directory, extra=(served,))
    # A path cannot be asked for, and what a bare name or an alias means may change while this runs.
    exact = f"{served.name}@{served.version}"
    names = further_names(answers_to, registry.models())
    first = [*(f"{model.name}@{model.version}" for model in map(registry.find, preload)), exact]

    def load() -> None:
        for name in first:
            studio.preload(name)

    with bind(reach.host, port) as listening:
        watching = Watching()
        if logs.form == "json":
            watching.add(EventLog(logs.prompts))
        studio = ApartStudio(
            registry,
            backend=backend,
            watcher=watching,
            memory=model_memory,
            rules=Rules(memory=engine_memory),
        )
        app = create_app(
            directory,
            studio,
            load,
            model=exact,
            reach=reach,
            watching=watching,
            storage=storage,
            traces=traces,
            answers_to=names,
            broker=broker,
            gates=opened,
            signer=signer,
        )

        def at(where: str) -> None:
            announce(where)
            announce(str(studio.choice))

        run_app(app, listening, at, logs)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on the port. Unavailable, with the way out, where it cannot be had."""
    if not 0 <= port <= 65535:
        raise InvalidInput(f"port {port} does not exist: use 1024 to 65535", field="port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's delay off; without, each answer waits 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name != "nt":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1" if host == "localhost" else host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        other = port + 1 if 1024 <= port < 65535 else 8080
        way_out = f"choose another: `make serve PORT={other}` or `limner serve --port {other}`"
        if error.errno == errno.EADDRINUSE:
            raise Unavailable(f"port {port} is taken by another program; {way_out}") from None
        raise Unavailable(f"port {port} cannot be opened ({error.strerror}); {way_out}") from None
    return listening


def run_app(
    app: FastAPI,
    listening: socket.socket,
    announce: Callable[[str], None] = print,
    logs: LogSettings = FOR_PEOPLE,
) -> None:
    """Run `app` on a bound socket until a signal. Unavailable when the service could not start."""
    service: Service = app.state.service
    service.start()
    server = _Server(server_config(app, logs), service, announce)
    server.run(sockets=[listening])


def server_config(app: FastAPI, logs: LogSettings = FOR_PEOPLE) -> uvicorn.Config:
    """How uvicorn is to serve `app`: over TLS where its reach has a certificate; only named proxies are believed."""
    reach: Reach = app.state.reach
    service: Service = app.state.service
    return uvicorn.Config(
        app,
        log_config=None if logs.form == "json" else LOGGING_CONFIG,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(service.drain_seconds) + 10,
        proxy_headers=bool(reach.proxies),
        forwarded_allow_ips=reach.trusted,
        ssl_certfile=reach.certificate,
        ssl_keyfile=reach.private_key,
    )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service, announce: Callable[[str], None]) -> None:
        super().__init__(config)
        self._service, self._announce = service, announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            scheme = "https" if self.config.is_ssl else "http"
            self._announce(f"Limner is at {scheme}://{shown}:{port}/ (Ctrl-C stops it)")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
        self._service.drain()
