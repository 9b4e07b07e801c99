"""A service that really listens, in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from limner.service.server import bind


@contextmanager
def running(app: FastAPI, port: int = 0) -> Iterator[str]:
    """Serve `app` on a free port of this machine, or on `port`; gives its address. It stops at once at the end.

    The socket takes connections before the application is ready, so nobody has to wait for it.
    """
    with bind("127.0.0.1", port) as listening:
        config = uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()
