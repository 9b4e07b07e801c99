"""What the two sides say to each other, and how requests, events and errors become messages and come back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ...errors import Busy, Cancelled, InvalidInput, LimnerError, Lost, NotFound, Unavailable
from ..request import DrawRequest, Event, Failed, Finished, Picture, Stepped, Stopped, WordMaps
from ..source import Box, Source
from ..watching import Sight
from .framing import Array, Frame


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True)


class ExtraModel(_Said):
    """A model from elsewhere: its directory, its manifest as JSON, whether it came with Limner."""

    path: str
    manifest: str
    built_in: bool


class Setup(_Said):
    """The first message to the engine: where models are and how to draw them; `log_level` as in `logging`."""

    kind: Literal["setup"] = "setup"
    data_dir: str
    extra: tuple[ExtraModel, ...]
    backend: str
    max_rows: int | None
    threads: int | None
    model_memory: int | None
    log_level: int
    watched: bool


class Load(_Said):
    """Load a model now; answered by Loaded."""

    kind: Literal["load"] = "load"
    model: str


class Start(_Said):
    """Begin a picture. Arrays: the source's pixels and its mask, as far as told."""

    kind: Literal["start"] = "start"
    picture: int
    request: DrawRequest
    name: str = ""
    bulk: bool = False
    source: bool = False
    mask: bool = False
    keep: Box | None = None
    outward: float | None = None


class Cancel(_Said):
    """Stop a picture at its next step."""

    kind: Literal["cancel"] = "cancel"
    picture: int


class Fault(_Said):
    """An error: its class in the error tree, or "other"; what it says; what comes with it."""

    error: str
    text: str
    field: str | None = None
    retry_after: float = 1.0


class Ready(_Said):
    """The engine takes pictures."""

    kind: Literal["ready"] = "ready"


class Unmade(_Said):
    """The engine cannot be made as the Setup says; it ends."""

    kind: Literal["unmade"] = "unmade"
    fault: Fault


class Loaded(_Said):
    """A model is loaded, or cannot be."""

    kind: Literal["loaded"] = "loaded"
    model: str
    fault: Fault | None = None


class Beat(_Said):
    """The engine lives: bytes of memory that it holds, whether that is too much though models were let go, and for how
    many seconds what it works on has not moved."""

    kind: Literal["beat"] = "beat"
    memory: int
    overgrown: bool
    still: float


class Log(_Said):
    """A line for the log."""

    kind: Literal["log"] = "log"
    logger: str
    level: int
    text: str


class Seen(_Said):
    """What the engine lets be seen of its work, in order, a little later than it happened; what an engine that dies has
    not said is lost."""

    kind: Literal["seen"] = "seen"
    sights: tuple[Sight, ...]


class Step(_Said):
    """A step is done. Arrays: the preview, `pictures` pictures, then the maps of the `words`."""

    kind: Literal["step"] = "step"
    picture: int
    step: int
    steps: int
    preview: bool
    pictures: int
    words: tuple[str, ...] | None


class Done(_Said):
    """A picture is done. Arrays: its pixels, `pictures` pictures, then the maps of the `words`."""

    kind: Literal["done"] = "done"
    picture: int
    request: DrawRequest
    model: str
    version: str
    seconds: float
    pictures: int
    words: tuple[str, ...] | None


class Fail(_Said):
    """A picture cannot be drawn."""

    kind: Literal["fail"] = "fail"
    picture: int
    fault: Fault


class Stop(_Said):
    """A picture was cancelled."""

    kind: Literal["stop"] = "stop"
    picture: int


ToEngine = Setup | Load | Start | Cancel
OfPicture = Step | Done | Fail | Stop
FromEngine = Ready | Unmade | Loaded | Beat | Log | Seen | OfPicture

TO_ENGINE: TypeAdapter[ToEngine] = TypeAdapter(Annotated[ToEngine, Field(discriminator="kind")])
FROM_ENGINE: TypeAdapter[FromEngine] = TypeAdapter(Annotated[FromEngine, Field(discriminator="kind")])

_TREE: dict[str, type[LimnerError]] = {
    each.__name__: each for each in (InvalidInput, NotFound, Unavailable, Busy, Lost, Cancelled, LimnerError)
}


def start_frame(
    picture: int, request: DrawRequest, source: Source | None, name: str = "", bulk: bool = False
) -> Frame[Start]:
    """What begins a picture, with its source."""
    if source is None:
        return Frame(Start(picture=picture, request=request, name=name, bulk=bulk))
    message = Start(
        picture=picture,
        request=request,
        name=name,
        bulk=bulk,
        source=True,
        mask=source.mask is not None,
        keep=source.keep,
        outward=source.outward,
    )
    return Frame(message, (source.pixels,) if source.mask is None else (source.pixels, source.mask))


def source_of(frame: Frame[Any]) -> Source | None:
    """The source that came with a Start."""
    message, arrays = frame.message, frame.arrays
    if not message.source:
        return None
    return Source(arrays[0], arrays[1] if message.mask else None, message.keep, message.outward)


def event_frame(picture: int, event: Event) -> Frame[Any]:
    """An event of a picture as it is sent."""
    if isinstance(event, Stepped):
        first = () if event.preview is None else (event.preview,)
        words, maps = _told(event.attention)
        step = Step(
            picture=picture,
            step=event.step,
            steps=event.steps,
            preview=event.preview is not None,
            pictures=len(event.pictures),
            words=words,
        )
        return Frame(step, (*first, *event.pictures, *maps))
    if isinstance(event, Finished):
        drawn = event.picture
        words, maps = _told(drawn.attention)
        done = Done(
            picture=picture,
            request=drawn.request,
            model=drawn.model,
            version=drawn.version,
            seconds=drawn.seconds,
            pictures=len(drawn.pictures),
            words=words,
        )
        return Frame(done, (drawn.pixels, *drawn.pictures, *maps))
    if isinstance(event, Failed):
        return Frame(Fail(picture=picture, fault=fault_of(event.error)))
    return Frame(Stop(picture=picture))


def event_of(message: OfPicture, arrays: tuple[Array, ...]) -> Event:
    """The event that was sent."""
    if isinstance(message, Step):
        preview, rest = (arrays[0], arrays[1:]) if message.preview else (None, arrays)
        pictures, maps = rest[: message.pictures], rest[message.pictures :]
        attention = None if message.words is None else WordMaps(message.words, maps)
        return Stepped(message.step, message.steps, preview, pictures, attention)
    if isinstance(message, Done):
        pictures, maps = arrays[1 : 1 + message.pictures], arrays[1 + message.pictures :]
        attention = None if message.words is None else WordMaps(message.words, maps)
        return Finished(
            Picture(
                arrays[0],
                message.request,
                message.model,
                message.version,
                message.seconds,
                pictures,
                attention,
            )
        )
    return Failed(error_of(message.fault)) if isinstance(message, Fail) else Stopped()


def fault_of(error: Exception) -> Fault:
    """An error as it is sent: one of the tree as the nearest that is known, any other by its words alone."""
    known = next((name for name, each in _TREE.items() if isinstance(error, each)), "other")
    return Fault(
        error=known,
        text=sendable(str(error) or type(error).__name__),
        field=getattr(error, "field", None),
        retry_after=getattr(error, "retry_after", 1.0),
    )


def sendable(text: str) -> str:
    """A text as it can be sent: `?` for what UTF-8 has no bytes for, as the half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8")


def error_of(fault: Fault) -> Exception:
    """The error that was sent; a RuntimeError where it was none of the tree."""
    if fault.error == "InvalidInput":
        return InvalidInput(fault.text, fault.field)
    if fault.error == "Busy":
        return Busy(fault.text, fault.retry_after)
    return _TREE[fault.error](fault.text) if fault.error in _TREE else RuntimeError(fault.text)


def _told(attention: WordMaps | None) -> tuple[tuple[str, ...] | None, tuple[Array, ...]]:
    return (None, ()) if attention is None else (attention.words, attention.maps)
