"""LitServe with dynamic batching, as its documentation says; of `benchmarks.peers_service`, a process of its own.

    python -m benchmarks.litserve_server MODEL PORT MOST SECONDS

At most MOST requests that come within SECONDS are a batch, over the graphs that Limner serves, in the same precision
and runtime. A batch is drawn by Limner's own programs, joined at every step, so that what differs is when a request may
begin and when it is answered. LitServe is installed by hand, for nothing else needs it:

    pip install litserve==0.2.19
"""

# Annotations are types here, not text: LitServe reads those of `Api`.
import sys
import tempfile
from pathlib import Path
from typing import Any

import litserve  # type: ignore[import-not-found]
import numpy as np
from fastapi import Response
from numpy.typing import NDArray

from limner.engine.backends import backend
from limner.engine.batches import choose, join, split
from limner.engine.loaded import LoadedModel
from limner.engine.request import Call, DrawRequest
from limner.engine.watching import unwatched
from limner.families import Program
from limner.registry.models import open_model

from .fastapi_server import Body, png


class Together:
    """Draws requests of one model together, from the first step of all to the last step of the longest."""

    def __init__(self, model: Path, cache: Path) -> None:
        """Open it; its networks are compiled as they are called."""
        chosen = backend("openvino", threads=None, cache=cache)
        self._rows, self._large = chosen.rows, chosen.large_rows
        self._loaded = LoadedModel(open_model(model), chosen, chosen.rows, unwatched)

    def resolved(self, body: Body) -> DrawRequest:
        """What is asked, with the model's settings."""
        return self._loaded.opened.resolve(DrawRequest(**body.model_dump()), None)

    def draw(self, requests: list[DrawRequest]) -> list[NDArray[np.uint8]]:
        """The pictures of all, uint8 (H, W, 3) each."""
        programs: list[Program] = [self._loaded.opened.family.program(request) for request in requests]
        calls: dict[int, Call] = {}
        drawn: dict[int, NDArray[np.uint8]] = {}

        def advance(k: int, outputs: dict[str, NDArray[Any]] | None) -> None:
            calls.pop(k, None)
            try:
                asked = programs[k].send(outputs)
                while not isinstance(asked, Call):
                    asked = programs[k].send(None)
                calls[k] = asked
            except StopIteration as end:
                drawn[k] = end.value

        for k in range(len(programs)):
            advance(k, None)
        most = {"vae_decoder": self._large}
        while calls:
            for group in choose(list(calls.items()), most, self._rows):
                asked = [calls[k] for k in group]
                outputs = self._loaded.networks.run(asked[0].graph, join(asked))
                for k, share in zip(group, split(outputs, asked), strict=True):
                    advance(k, share)
        return [drawn[k] for k in range(len(programs))]


class Api(litserve.LitAPI):  # type: ignore[misc]
    """What LitServe calls, in this order."""

    def __init__(self, model: Path, most: int, seconds: float) -> None:
        super().__init__(max_batch_size=most, batch_timeout=seconds, api_path="/draw")
        self._model = model

    def setup(self, device: str) -> None:
        """Open the model, in the process that draws."""
        self._together = Together(self._model, Path(tempfile.mkdtemp()))

    def decode_request(self, request: Body) -> DrawRequest:
        """What is asked, with the model's settings."""
        return self._together.resolved(request)

    def batch(self, inputs: list[DrawRequest]) -> list[DrawRequest]:
        """Requests stay as they are."""
        return inputs

    def predict(self, inputs: list[DrawRequest]) -> list[NDArray[np.uint8]]:
        """Draw a batch; one request alone comes as a batch of one."""
        return self._together.draw(inputs)

    def unbatch(self, output: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """Pictures are apart already."""
        return output

    def encode_response(self, output: NDArray[np.uint8]) -> Response:
        """The PNG."""
        return png(output)


if __name__ == "__main__":
    api = Api(Path(sys.argv[1]), int(sys.argv[3]), float(sys.argv[4]))
    server = litserve.LitServer(api, accelerator="cpu", timeout=False)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False)
