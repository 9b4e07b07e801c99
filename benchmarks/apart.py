"""`python -m benchmarks.apart`: what the way to the engine's process and back costs a picture, in processor time.

All messages of a picture of 20 steps, previews and pixels of 128 px included, are written to a pipe, read from it and
checked, both sides in one process. Waiting does not count, so other work on the machine hardly matters.
"""

from __future__ import annotations

import os
import threading
import time
from queue import SimpleQueue
from typing import Any

import numpy as np

from limner.engine.apart.framing import Frame, read, write
from limner.engine.apart.messages import FROM_ENGINE, event_frame, event_of
from limner.engine.request import DrawRequest, Finished, Picture, Stepped

from .machine import describe

STEPS, PICTURES = 20, 100


def frames() -> list[Frame[Any]]:
    """What the engine says of one picture."""
    request = DrawRequest(prompt="a red apple on a wooden table", seed=7, steps=STEPS, width=128, height=128)
    preview, pixels = np.zeros((16, 16, 3), np.uint8), np.zeros((128, 128, 3), np.uint8)
    steps = [event_frame(1, Stepped(k + 1, STEPS, preview)) for k in range(STEPS)]
    return [*steps, event_frame(1, Finished(Picture(pixels, request, "storybook", "2", 0.2)))]


def main() -> None:
    """Measure and print."""
    print("\n".join(describe()))
    heard, spoken = os.pipe()
    done: SimpleQueue[None] = SimpleQueue()

    def listen() -> None:
        with os.fdopen(heard, "rb") as stream:
            while (frame := read(stream, FROM_ENGINE)) is not None:
                event_of(frame.message, frame.arrays)  # type: ignore[arg-type]
        done.put(None)

    threading.Thread(target=listen, daemon=True).start()
    began = time.process_time()
    for _ in range(PICTURES):
        for frame in frames():
            write(spoken, frame)
    os.close(spoken)
    done.get()
    print(f"{1000 * (time.process_time() - began) / PICTURES:.2f} ms of processor time a picture, both sides")


if __name__ == "__main__":
    main()
