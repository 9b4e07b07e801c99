"""The application: the calls, the page, the checks around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ..engine.studio import Studio
from ..provenance import Signer
from .access.admin import router as admin
from .access.gate import Gate, Keyring, is_open
from .access.once import Once
from .access.sessions import router as session
from .bird import router as bird
from .bodies import SmallBodies
from .feedback.routes import router as feedback
from .feedback.wire import ALLOWED as OF_FEEDBACK
from .gallery import router as gallery
from .gates import Gates
from .host import Heads, LocalOnly, OtherOrigins, SafeHeaders
from .languages import router as languages
from .mqtt import Broker
from .mqtt.bridge import Bridge
from .openai.routes import router as openai
from .openai.sizes import ALLOWED as OF_COPIES
from .problems import describe, install
from .reach import THIS_MACHINE, Reach
from .routes import router
from .service import Service
from .storage import StorageOptions
from .watching import Gauges, Metrics, Recently, Seen, Watching
from .watching import router as watched
from .wire import ALLOWED

if TYPE_CHECKING:
    from .watching.traces import Traces

PAGES = Path(__file__).resolve().parent / "pages"


def create_app(
    data_dir: Path,
    studio: Studio,
    preload: Callable[[], object] | None = None,
    queue_limit: int = 64,
    parallel: int = 8,
    drain_seconds: float = 30.0,
    model: str = "storybook",
    reach: Reach = THIS_MACHINE,
    watching: Watching | None = None,
    storage: StorageOptions | None = None,
    traces: Traces | None = None,
    answers_to: frozenset[str] = frozenset(),
    broker: Broker | None = None,
    gates: Gates | None = None,
    signer: Signer | None = None,
) -> FastAPI:
    """The service over `studio`, keeping jobs and pictures under `data_dir`.

    The parameters are those of Service, which is `app.state.service`; it starts and stops with the
    application's lifespan, and closes the studio. `reach` says from where it is reached; `watching` should be the
    watcher of `studio`, too; `traces` are made of requests and jobs; `answers_to` are further names of the served
    model, for OpenAI's clients.
    Devices are served by way of the MQTT `broker`, where there is one.
    """
    keyring, watching = Keyring(forced=reach.beyond), watching or Watching()
    service = Service(
        data_dir,
        studio,
        preload,
        queue_limit,
        parallel,
        drain_seconds,
        model,
        keyring,
        watching,
        storage,
        gates,
        signer,
    )
    metrics, recently = Metrics(), Recently()
    watching.add(metrics)
    watching.add(recently)
    if traces is not None:
        watching.add(traces)
    Gauges(service, metrics.registry)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(service.start)
        bridge = None
        if broker is not None:
            app.state.bridge = Bridge(service, broker)
            bridge = asyncio.create_task(app.state.bridge.run())
        try:
            yield
        finally:
            if bridge is not None:
                bridge.cancel()
                await asyncio.gather(bridge, return_exceptions=True)
            await run_in_threadpool(service.stop)
            if traces is not None:
                await run_in_threadpool(traces.close)

    app = FastAPI(
        title="Limner",
        description="Words to pictures on this machine.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service, app.state.metrics, app.state.recently = service, metrics, recently
    app.state.reach = reach
    app.state.answers_to = answers_to
    app.include_router(router)
    app.include_router(bird)
    app.include_router(watched)
    app.include_router(openai)
    app.include_router(session)
    app.include_router(admin)
    app.include_router(feedback)
    app.include_router(gallery)

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        if not (PAGES / "index.html").is_file():
            raise HTTPException(404)
        return FileResponse(PAGES / "index.html", headers={"Cache-Control": "no-cache"})

    app.include_router(languages)
    app.mount("/pages", _Pages(directory=PAGES, check_dir=False))

    def allowed(field: str, asked: str | None) -> str | None:
        if field == "model":
            return "one of " + ", ".join(sorted({m.name for m in studio.models()}))
        if field in {"width", "height"}:
            models = {key: m for m in studio.models() for key in (m.name, f"{m.name}@{m.version}")}
            reference = asked or service.model
            found = models.get(reference) or models.get(reference.split("@")[0])
            if found is not None:
                sizes = found.manifest.sizes
                return "one of " + ", ".join(f"{size.width}x{size.height}" for size in sizes)
        return (ALLOWED | OF_FEEDBACK | {"size": OF_COPIES}).get(field)

    install(app, allowed)
    plain_openapi = app.openapi
    app.openapi = lambda: describe(plain_openapi(), is_open)  # type: ignore[method-assign]
    app.add_middleware(Heads)
    app.add_middleware(Once, stores=service.once)
    app.add_middleware(SmallBodies)
    app.add_middleware(Gate, keyring=keyring)
    if reach.origins:
        app.add_middleware(OtherOrigins, reach=reach)
    app.add_middleware(LocalOnly, reach=reach)
    app.add_middleware(SafeHeaders, reach=reach)
    app.add_middleware(Seen, watching=watching)
    if traces is not None:
        app.add_middleware(traces.around)
    return app


class _Pages(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        if path == "worker.js":
            response.headers["Service-Worker-Allowed"] = "/"
        return response
