"""`limner top`: a service that runs, live in the terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ..client import Client
    from .top_frame import History

_URL = "http://127.0.0.1:8400"


def top(
    url: Annotated[str, typer.Option(help="Where the service is.")] = _URL,
    every: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print one frame and end, as off a terminal.")] = False,
) -> None:
    """Show queue, jobs, throughput, memory and errors of a service that runs; Ctrl-C ends it.

    A service with keys wants one with the scope admin, in LIMNER_API_KEY.
    """
    from rich.console import Console

    from ..client import AccessDenied, Client
    from ..errors import Unavailable
    from .top_frame import History, frame

    console = Console()
    try:
        with Client(url, patience=0, timeout=10) as client:
            history = History()
            history.add(client.status())
            if once or not console.is_terminal or console.is_dumb_terminal:
                console.print(frame(history, url))
            else:
                _live(client, history, url, every, console)
    except AccessDenied as error:
        raise Unavailable(f"{error}; put a key with the scope admin into LIMNER_API_KEY") from None


def _live(client: Client, history: History, url: str, every: float, console: Console) -> None:
    from rich.live import Live

    from ..client import AccessDenied
    from ..errors import LimnerError
    from .top_frame import frame

    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(frame(history, url), refresh=True)
            time.sleep(every)
            try:
                history.add(client.status())
            except AccessDenied:
                raise
            except LimnerError as error:
                history.lost(str(error))
