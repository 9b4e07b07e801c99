"""The service's wire without a model behind it: pictures are Storybook renders that come out of noise.

A test holds drawings after a step with `hold_after`, None lets them go on; run with a port, it shows the page.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import limner
from limner.service.languages import language
from limner.storybook.captions import vocabulary
from limner.storybook.worlds import world

from .painting import SIZE, paint, png

PAGES = Path(limner.__file__).parent / "service" / "pages"


@dataclass
class StubJob:
    """One job, its finished pictures and the events so far."""

    id: str
    request: dict[str, Any]
    state: str = "queued"
    step: int = 0
    images: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    events: list[tuple[str, Any]] = field(default_factory=list)
    stop: bool = False
    senses: dict[str, list[str]] = field(default_factory=dict)
    mine: bool = True

    def view(self) -> dict[str, Any]:
        """The job as it goes over the wire."""
        return {
            "id": self.id,
            "state": self.state,
            "queue_position": None,
            "step": self.step,
            "steps": self.request["steps"],
            "request": self.request,
            "images": self.images,
            "senses": self.senses,
            "error": self.error,
            "created_at": "2026-01-31T12:00:00Z",
        }


class Stub:
    """The state behind the wire; tests turn its knobs."""

    def __init__(self) -> None:
        self.jobs: dict[str, StubJob] = {}
        self.pictures: dict[str, bytes] = {}
        self.maps: dict[str, bytes] = {}
        self.hold_after: int | None = None
        self.step_seconds = 0.005
        self.previews = True
        self.fail_drawing: str | None = None
        self.refuse: tuple[int, dict[str, Any]] | None = None
        self.sizes = [{"width": SIZE, "height": SIZE}]
        self.drop_after: int | None = None
        self.resumed_from: list[str] = []
        self.away = False
        self.edits = True
        self.defaults: dict[str, Any] = {"steps": 20, "guidance_scale": 4.0, "sampler": "ddim"}
        self.limits = {"steps": [1, 150], "guidance_scale": [1, 30], "negative_prompt": [0, 1000]}
        self.others: dict[str, dict[str, Any]] = {}
        self.feedback: dict[tuple[str, str | None], dict[str, Any]] = {}
        self.senses: dict[str, list[str]] = {}
        self.country_reads: dict[str, str] = {}
        self.scopes = ["admin", "draw", "read"]
        self.pins: list[str] = []
        self.sent: list[dict[str, Any]] = []

    def finish(self, job: StubJob, state: str) -> None:
        """End a job and say so to who listens."""
        job.state = state
        job.events.append((state, job.view()))

    def draw(self, job: StubJob) -> None:
        """Draw in steps, in a thread of its own."""
        job.state = "running"
        request, steps = job.request, job.request["steps"]
        targets = [paint(request["prompt"], request["seed"] + k) for k in range(request["n"])]
        rng = np.random.default_rng(request["seed"])
        for step in range(1, steps + 1):
            while self.hold_after is not None and step > self.hold_after and not job.stop:
                time.sleep(0.005)
            if job.stop:
                return self.finish(job, "cancelled")
            if self.fail_drawing:
                job.error = self.fail_drawing
                return self.finish(job, "failed")
            for k, target in enumerate(targets):
                latent = np.asarray(target.resize((16, 16), Image.Resampling.BOX), np.float32)
                share = (1 - step / steps) ** 1.5
                shown = (1 - share) * latent + share * rng.uniform(40, 220, latent.shape)
                data = base64.b64encode(png(Image.fromarray(shown.clip(0, 255).astype(np.uint8)))).decode()
                preview = f"data:image/png;base64,{data}" if self.previews else None
                message = {"step": step, "steps": steps, "image": k, "preview": preview}
                job.events.append(("step", message))
            job.step = step
            time.sleep(self.step_seconds)
        for k, target in enumerate(targets):
            name = secrets.token_hex(16)
            self.pictures[name] = png(target)
            image = {
                "id": name,
                "url": f"/v1/images/{name}",
                "seed": request["seed"] + k,
                "width": SIZE,
                "height": SIZE,
                "index": k,
                "attention": self.attention(request),
            }
            job.images.append(image)
            job.events.append(("image", image))
        self.finish(job, "succeeded")

    def attention(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """A map a word, one below the other: each lights up one corner after another."""
        if not request.get("attention"):
            return None
        words = re.findall(r"[a-z]+", request["prompt"].lower())
        levels = np.zeros((8 * len(words), 8), np.uint8)
        for k in range(len(words)):
            levels[8 * k + 4 * (k // 2 % 2) :, 4 * (k % 2) :][:4, :4] = 255
        name = secrets.token_hex(16)
        self.maps[name] = png(Image.fromarray(levels))
        return {"words": words, "maps": [{"url": f"/v1/images/{name}", "width": 8, "height": 8}]}

    def add(self, asked: dict[str, Any]) -> StubJob:
        """Accept a request with the model's defaults filled in."""
        defaults = {
            "model": "storybook",
            "seed": secrets.randbelow(2**32),
            "steps": self.defaults["steps"],
            "guidance_scale": self.defaults["guidance_scale"],
            "negative_prompt": "",
            "n": 1,
            "width": SIZE,
            "height": SIZE,
        }
        there = {word: senses for word, senses in self.senses.items() if word in asked["prompt"]}
        read = {word: (self.country_reads | asked.get("readings", {}))[word] for word in there}
        job = StubJob(secrets.token_hex(8), {**defaults, **asked, **({"readings": read} if read else {})})
        job.senses = there
        self.jobs[job.id] = job
        job.events.append(("queued", {"position": 1}))
        return job


def problem(status: int, title: str, **more: Any) -> JSONResponse:
    """A problem document (RFC 9457)."""
    body = {"type": "about:blank", "title": title, "status": status, **more}
    return JSONResponse(body, status, media_type="application/problem+json")


def stub_app(stub: Stub) -> Starlette:
    """The routes that the page uses."""

    async def page(request: Request) -> Response:
        headers = {"Service-Worker-Allowed": "/"}
        return FileResponse(PAGES / request.path_params.get("file", "index.html"), headers=headers)

    async def models(_: Request) -> Response:
        model = {
            "name": "storybook",
            "version": "1",
            "title": "Storybook",
            "description": "",
            "family": "diffusion",
            "sizes": stub.sizes,
            "defaults": stub.defaults,
            "limits": stub.limits,
            "vocabulary": list(vocabulary()),
            "edits": stub.edits,
            "small": True,
            "card": "/v1/models/storybook/1/card",
        }
        others = [model | {"name": name, "title": name.title()} | more for name, more in stub.others.items()]
        return JSONResponse({"models": [model, *others]})

    async def ideas(request: Request) -> Response:
        count, model = int(request.query_params.get("n", 1)), request.query_params.get("model")
        of = world("birds" if model == "birds" else "scenes")
        return JSONResponse({"ideas": [of.idea(secrets.randbelow(10**6)) for _ in range(count)]})

    async def create(request: Request) -> Response:
        if stub.refuse is not None:
            return problem(stub.refuse[0], "Refused", **stub.refuse[1])
        asked = await request.json()
        stub.sent.append(asked)
        seed = asked.get("seed", 0)
        if not isinstance(seed, int) or not 0 <= seed < 2**32:
            wrong = {"field": "seed", "message": "Input should be a valid integer"}
            allowed = {"allowed": "a whole number from 0 to 4294967295"}
            return problem(422, "Invalid input", errors=[wrong | allowed])
        job = stub.add(asked)
        threading.Thread(target=stub.draw, args=(job,), daemon=True).start()
        return JSONResponse(job.view(), 202, {"Location": f"/v1/jobs/{job.id}"})

    async def listed(request: Request) -> Response:
        query = request.query_params
        newest = [
            job
            for job in list(stub.jobs.values())[::-1]
            if (job.mine or "mine" not in query)
            and all(word in job.request["prompt"] for word in query.get("search", "").split())
            and (not query.get("pinned") or {image["id"] for image in job.images} & set(stub.pins))
            and query.get("made_from") in (None, *map(job.request.get, ("image", "derived_from")))
        ]
        before = request.query_params.get("before")
        start = 0 if before is None else [j.id for j in newest].index(before) + 1
        end = start + int(request.query_params.get("limit", 24))
        following = newest[end - 1].id if end < len(newest) else None
        return JSONResponse({"jobs": [j.view() for j in newest[start:end]], "next": following})

    async def one(request: Request) -> Response:
        job = stub.jobs.get(request.path_params["job"])
        if job is None:
            return problem(404, "Not found")
        if request.method == "DELETE":
            job.stop = True
        return JSONResponse(job.view())

    async def events(request: Request) -> Response:
        job = stub.jobs[request.path_params["job"]]
        seen = request.headers.get("last-event-id")
        if seen is not None:
            stub.resumed_from.append(seen)
        drop, stub.drop_after = stub.drop_after, None

        async def stream() -> AsyncIterator[str]:
            yield "retry: 50\n\n"
            at = 0 if seen is None else int(seen) + 1
            sent = 0
            while True:
                while at < len(job.events):
                    name, data = job.events[at]
                    yield f"id: {at}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
                    at, sent = at + 1, sent + 1
                    if sent == drop or name in ("succeeded", "failed", "cancelled"):
                        return
                await asyncio.sleep(0.01)

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def image(request: Request) -> Response:
        name, kept = request.path_params["image"], stub.pictures | stub.maps
        if request.method == "DELETE":
            for job in [one for one in stub.jobs.values() if one.mine or "mine" not in request.query_params]:
                job.images = [shown for shown in job.images if shown["id"] != name]
            stub.jobs = {job: one for job, one in stub.jobs.items() if one.images}
            return Response(status_code=204)
        return Response(kept[name], media_type="image/png")

    async def upload(request: Request) -> Response:
        try:
            picture = Image.open(io.BytesIO(await request.body())).convert("RGB")
        except OSError:
            return problem(
                422, "Invalid input", errors=[{"field": "image", "message": "it cannot be decoded"}]
            )
        name, (width, height) = secrets.token_hex(32), picture.size
        stub.pictures[name] = png(picture)
        return JSONResponse({"id": name, "url": f"/v1/images/{name}", "width": width, "height": height}, 201)

    async def session(_: Request) -> Response:
        return JSONResponse({"name": "", "scopes": stub.scopes, "open": True})

    async def status(_: Request) -> Response:
        minute = ("pictures", "steps", "rows_per_call", "requests", "refused", "failures")
        return JSONResponse(
            {
                "version": "1",
                "queue": {"waiting": 3, "limit": 64, "oldest_seconds": 2.5},
                "running": [{"model": "storybook", "step": 4, "steps": 20}],
                "last_minute": {name: k + 1 for k, name in enumerate(minute)},
                "memory": {"service": 2**30, "engine": None, "data_free": 2**35},
                "models": [
                    {
                        "name": "storybook",
                        "version": "2",
                        "family": "diffusion",
                        "served": True,
                        "loaded": True,
                    }
                ],
                "mishaps": [{"at": "2026-01-31T12:00:00Z", "what": "the paint ran out"}],
            }
        )

    async def keys(_: Request) -> Response:
        key = {"name": "phone", "scopes": ["draw", "read"], "quota": 50, "weight": 3, "used_today": 12.5}
        key |= {"revoked_at": None}
        return JSONResponse({"keys": [key]})

    async def pins(request: Request) -> Response:
        if request.method == "POST":
            stub.pins.insert(0, (await request.json())["image"])
        if request.method == "DELETE":
            stub.pins.remove(request.path_params["image"])
            return Response(status_code=204)
        return JSONResponse({"images": stub.pins})

    async def say(request: Request) -> Response:
        said = {"over": None, "vote": None, "note": "", "caption": "", **await request.json()}
        said["id"] = secrets.token_hex(8)
        stub.feedback.pop((said["over"] or "", said["image"]), None)
        stub.feedback[said["image"], said["over"]] = said
        return JSONResponse(said)

    async def said(request: Request) -> Response:
        image = request.query_params["image"]
        found = [one for one in stub.feedback.values() if image in (one["image"], one["over"])]
        return JSONResponse({"feedback": found, "next": None})

    async def take_back(request: Request) -> Response:
        key = next(k for k, one in stub.feedback.items() if one["id"] == request.path_params["said"])
        return JSONResponse(stub.feedback.pop(key))

    async def words(request: Request) -> Response:
        return language(request.query_params.get("language", ""), request.headers.get("accept-language", ""))

    async def health(_: Request) -> Response:
        return problem(503, "Away") if stub.away else JSONResponse({"status": "ok", "parts": {}})

    return Starlette(
        routes=[
            Route("/", page),
            Route("/pages/language.json", words),
            Route("/pages/{file:path}", page),
            Route("/v1/pins", pins, methods=["GET", "POST"]),
            Route("/v1/pins/{image}", pins, methods=["DELETE"]),
            Route("/v1/feedback", say, methods=["POST"]),
            Route("/v1/feedback", said),
            Route("/v1/feedback/{said}", take_back, methods=["DELETE"]),
            Route("/healthz", health),
            Route("/v1/session", session),
            Route("/v1/admin/status", status),
            Route("/v1/admin/keys", keys),
            Route("/v1/models", models),
            Route("/v1/ideas", ideas),
            Route("/v1/jobs", create, methods=["POST"]),
            Route("/v1/jobs", listed),
            Route("/v1/jobs/{job}", one, methods=["GET", "DELETE"]),
            Route("/v1/jobs/{job}/events", events),
            Route("/v1/images", upload, methods=["POST"]),
            Route("/v1/images/{image}", image, methods=["GET", "DELETE"]),
        ]
    )


@contextmanager
def serving(stub: Stub) -> Iterator[str]:
    """Serve the stub on a free port of the loopback; yields the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(stub_app(stub), log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)


if __name__ == "__main__":
    by_hand = Stub()
    by_hand.step_seconds = 0.1
    uvicorn.run(stub_app(by_hand), port=int(sys.argv[1]), log_level="warning")
