"""An engine's process that does what its prompts say: "die", "hang", "leak", or draw. Run as a script.

While the file exists that the environment names in HOLD it does not begin, and no picture goes on after its second
step. With an argument it counts its lives in that file, and each life up to the number given as the second ends at
once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from limner.engine.apart.child import local_studio, main
from limner.engine.apart.messages import Setup
from limner.engine.request import DrawRequest, Event, Stepped
from limner.engine.source import Source
from limner.engine.studio import Drawing, LocalStudio
from limner.engine.watching import Watcher

HOLD = "LIMNER_TEST_HOLD"
LEAK = 450 * 2**20
leaked: list[bytes] = []


def breaking(setup: Setup, watcher: Watcher) -> LocalStudio:
    """The studio of a setup, whose pictures break it as their prompts say, at their second step."""
    studio = local_studio(setup, watcher)
    start = studio.start

    def started(
        request: DrawRequest,
        on_event: Callable[[Event], None],
        source: Source | None = None,
        name: str = "",
        bulk: bool = False,
    ) -> Drawing:
        def heard(event: Event) -> None:
            second = isinstance(event, Stepped) and event.step == 2
            if second:
                _break(request.prompt)
            on_event(event)
            if second:
                _hold()

        return start(request, heard, source, name, bulk)

    studio.start = started  # type: ignore[method-assign]
    return studio


def _break(prompt: str) -> None:
    if "die" in prompt:
        # To this very thread, which draws: any other would have to be woken first, and the picture would go on.
        signal.pthread_kill(threading.get_ident(), signal.SIGSEGV)
    if "hang" in prompt:
        time.sleep(10_000)
    if "leak" in prompt:
        leaked.append(b"x" * LEAK)


def _hold() -> None:
    file = os.environ.get(HOLD)
    while file is not None and Path(file).exists():
        time.sleep(0.01)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        lives = Path(sys.argv[1])
        lived = int(lives.read_text("utf-8")) if lives.exists() else 0
        lives.write_text(str(lived + 1), encoding="utf-8")
        if lived < int(sys.argv[2]):
            sys.exit(3)
    _hold()
    main(breaking)
