"""A studio whose pictures are looked at by gates before anybody else sees them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ...engine.request import DrawRequest, Event, Failed, Finished, Stepped
from ...engine.source import Source
from ...engine.studio import Drawing, Studio
from ...registry.models import Model
from .checking import Gates


class GatedStudio:
    """A Studio: steps of its pictures show nothing, and a picture that is refused ends with Failed(Refused).

    There are no previews, for those would show what the gates withhold. Gates are asked in threads of their own, so
    that neither the engine nor the runner waits for them.
    """

    def __init__(self, studio: Studio, gates: Gates) -> None:
        self._studio, self._gates = studio, gates

    def models(self) -> list[Model]:
        """Those of the studio."""
        return self._studio.models()

    def model(self, reference: str) -> Model:
        """That of the studio."""
        return self._studio.model(reference)

    def resolve(self, request: DrawRequest, source: Source | None = None) -> DrawRequest:
        """As the studio does."""
        return self._studio.resolve(request, source)

    def start(
        self,
        request: DrawRequest,
        on_event: Callable[[Event], None],
        source: Source | None = None,
        name: str = "",
        bulk: bool = False,
    ) -> Drawing:
        """Begin a picture as the studio does."""
        return self._studio.start(request, lambda event: self._heard(event, on_event), source, name, bulk)

    def _heard(self, event: Event, on_event: Callable[[Event], None]) -> None:
        if isinstance(event, Stepped):
            on_event(Stepped(event.step, event.steps, None))
        elif isinstance(event, Finished):
            threading.Thread(target=self._judge, args=(event, on_event), name="gates", daemon=True).start()
        else:
            on_event(event)

    def _judge(self, event: Finished, on_event: Callable[[Event], None]) -> None:
        picture = event.picture
        try:
            smaller = [each for each in picture.pictures if each.shape != picture.pixels.shape]
            for pixels in (picture.pixels, *smaller):
                self._gates.check_picture(pixels, "picture")
        except Exception as error:  # noqa: BLE001 - whatever it is, the picture does not pass
            on_event(Failed(error))
        else:
            on_event(event)

    def identity(self, request: DrawRequest) -> str:
        """That of the studio."""
        return self._studio.identity(request)

    def judged(self, model: Model) -> bool:
        """As the studio says."""
        return self._studio.judged(model)

    def state(self) -> str:
        """That of the studio."""
        return self._studio.state()

    @property
    def pid(self) -> int | None:
        """That of the studio."""
        return self._studio.pid

    def close(self) -> None:
        """Close the studio."""
        self._studio.close()
