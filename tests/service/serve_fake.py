"""Run the service over the fake studio: python -m tests.service.serve_fake DATA_DIR PORT SECONDS_A_STEP DRAIN."""

import sys
from pathlib import Path

from limner.service.app import create_app
from limner.service.server import bind, run_app

from .fake_studio import FakeStudio

if __name__ == "__main__":
    folder, port, seconds, drain = sys.argv[1:]
    app = create_app(Path(folder), FakeStudio(float(seconds)), drain_seconds=float(drain))
    run_app(app, bind("127.0.0.1", int(port)), lambda line: print(line, flush=True))
