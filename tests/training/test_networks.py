"""Networks of a stage: which are called, compiled in place, and how long they are waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from limner.training.networks import Waiting, called, compile_networks


class Halves(nn.Module):
    """As an autoencoder: called by its halves, never as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(3, 2), nn.Linear(2, 3)

    def encode(self, x: Tensor) -> Tensor:
        made: Tensor = self.encoder(x)
        return made

    def decode(self, x: Tensor) -> Tensor:
        made: Tensor = self.decoder(x)
        return made


def test_containers_are_looked_into_and_autoencoders_are_called_by_their_halves() -> None:
    halves, head = Halves(), nn.Sequential(nn.Linear(3, 1))
    assert called(nn.ModuleDict({"vae": halves, "head": head})) == [halves.encoder, halves.decoder, head]
    assert called(head) == [head]


def test_compiled_networks_give_the_same_with_the_same_names_of_weights() -> None:
    halves = Halves()
    x, names = torch.randn(4, 3), list(halves.state_dict())
    before = halves.decode(halves.encode(x))
    graphs: list[torch.fx.GraphModule] = []

    def counting(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    compile_networks(halves, backend=counting)  # type: ignore[arg-type]  # torch takes a function, too
    waiting = Waiting()
    with waiting.watching(halves):
        waiting.begin()
        after = halves.decode(halves.encode(x))
    after.sum().backward()  # type: ignore[no-untyped-call]
    assert torch.equal(before, after) and list(halves.state_dict()) == names and waiting.seconds > 0
    assert halves.encoder.weight.grad is not None and len(graphs) == 2


def test_waiting_ends_where_the_first_network_begins() -> None:
    module, waiting = nn.Linear(2, 2), Waiting()
    with waiting.watching(module):
        waiting.begin()
        time.sleep(0.01)  # what reading would take
        module(torch.zeros(1, 2))
        first = waiting.seconds
        time.sleep(0.01)
        module(torch.zeros(1, 2))
    assert first >= 0.01 and waiting.seconds == first
    waiting.begin()
    module(torch.zeros(1, 2))
    assert waiting.seconds == first
