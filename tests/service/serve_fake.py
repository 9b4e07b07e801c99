"""Run the service over the fake studio: python -m tests.service.serve_fake DATA_DIR PORT SECONDS_A_STEP DRAIN.

With `held` as a fifth argument nothing moves before SIGUSR1 comes.
"""

import signal
import sys
from pathlib import Path

from limner.service.app import create_app
from limner.service.server import bind, run_app

from .fake_studio import FakeStudio

if __name__ == "__main__":
    folder, port, seconds, drain, *held = sys.argv[1:]
    studio = FakeStudio(float(seconds))
    if held:
        studio.gate.clear()
        signal.signal(signal.SIGUSR1, lambda *_: studio.gate.set())
    app = create_app(Path(folder), studio, drain_seconds=float(drain))
    run_app(app, bind("127.0.0.1", int(port)), lambda line: print(line, flush=True))
