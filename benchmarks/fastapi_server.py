"""FastAPI over one diffusers pipeline, as others would write it; of `benchmarks.peers_service`, a process of its own.

    python -m benchmarks.fastapi_server MODEL PORT WAY

In float32, eager. WAY `threads` is that of diffusers' page "Create a server": each request gets a pipeline that shares
the networks and has its own scheduler, and runs in a thread of the pool. `locked` draws one picture at a time.
"""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import FastAPI, Response
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel

from .reference import draw, load_pipeline


class Body(BaseModel):
    """What a peer is asked."""

    prompt: str
    seed: int
    steps: int
    guidance_scale: float
    sampler: str


def png(pixels: NDArray[np.uint8]) -> Response:
    """A picture as the answer, written as Limner does."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=3)
    return Response(file.getvalue(), media_type="image/png")


def serve(model: Path, port: int, way: str) -> None:
    """Serve until the process is ended."""
    pipeline, lock = load_pipeline(model), threading.Lock()
    app = FastAPI()

    @app.post("/draw")
    def _draw(body: Body) -> Response:
        if way == "locked":
            with lock:
                return png(draw(pipeline, body.model_dump()))
        scheduler = pipeline.scheduler.from_config(pipeline.scheduler.config)
        own = type(pipeline).from_pipe(pipeline, scheduler=scheduler)
        own.set_progress_bar_config(disable=True)
        return png(draw(own, body.model_dump()))

    @app.get("/health")
    def _health() -> str:
        return "ok"

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
