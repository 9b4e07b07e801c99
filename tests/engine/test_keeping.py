from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest

from limner.engine import keeping, memory
from limner.engine.keeping import LoadedModels
from limner.engine.loaded import LoadedModel
from limner.registry.models import Model, open_model

from ..registry.test_models import put
from .test_identity import replace

MB = 2**20


class Scheduler:
    in_flight = 0


class FakeLoaded:
    """A model that takes `size` bytes from its loading to its closing."""

    def __init__(self, world: World, model: Model) -> None:
        self.name, self._world, self.scheduler = model.name, world, Scheduler()
        world.held += world.size

    def close(self) -> None:
        self._world.held -= self._world.size - self._world.leak
        self._world.closed.append(self.name)


class World:
    """This process's memory, as it is told."""

    def __init__(self, size: int, leak: int = 0) -> None:
        self.held, self.size, self.leak = 100 * MB, size, leak
        self.closed: list[str] = []
        self.given_back = 0

    def load(self, model: Model) -> LoadedModel:
        return cast(LoadedModel, FakeLoaded(self, model))

    def give_back(self) -> None:
        self.given_back += 1


@pytest.fixture
def models(tmp_path: Path) -> list[Model]:
    return [open_model(put(tmp_path / name, name, "1")) for name in ("one", "two", "three", "four")]


def kept(world: World, monkeypatch: pytest.MonkeyPatch, most: int | None) -> LoadedModels:
    monkeypatch.setattr(memory, "held", lambda: world.held)
    monkeypatch.setattr(memory, "give_back", world.give_back)
    monkeypatch.setattr(keeping, "_bytes_of", lambda model: world.size)
    return LoadedModels(world.load, most)


def names(loaded: LoadedModels) -> list[str]:
    return [cast(Any, each).name for each in loaded.all()]


def test_without_a_bound_two_models_stay(models: list[Model], monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(50 * MB)
    loaded = kept(world, monkeypatch, None)
    for model in (*models[:3], models[1]):
        loaded.open(model)
    assert names(loaded) == ["three", "two"] and world.closed == ["one"]


def test_what_was_used_longest_ago_makes_room_before_the_next_is_loaded(
    models: list[Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(50 * MB)
    loaded = kept(world, monkeypatch, 250 * MB)
    for model in (models[0], models[1], models[2], models[0]):
        loaded.open(model)
    assert world.held == 250 * MB and not world.closed
    loaded.open(models[3])
    assert names(loaded) == ["three", "one", "four"]
    assert world.closed == ["two"] and world.given_back == 1


def test_what_is_being_drawn_stays_even_where_it_is_too_much(
    models: list[Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(50 * MB)
    loaded = kept(world, monkeypatch, 160 * MB)
    first = loaded.open(models[0])
    cast(Any, first.scheduler).in_flight = 1
    loaded.open(models[1])
    assert names(loaded) == ["one", "two"] and world.held > 160 * MB
    cast(Any, first.scheduler).in_flight = 0
    loaded.keep_within_bounds()
    assert names(loaded) == ["two"] and world.held <= 160 * MB


def test_a_model_that_grows_while_it_draws_is_seen_at_its_end(
    models: list[Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(10 * MB)
    loaded = kept(world, monkeypatch, 200 * MB)
    loaded.open(models[0])
    loaded.open(models[1])
    world.held += 100 * MB
    loaded.keep_within_bounds()
    assert names(loaded) == ["two"]


def test_overgrown_is_what_letting_go_does_not_cure(
    models: list[Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(100 * MB, leak=40 * MB)
    loaded = kept(world, monkeypatch, 220 * MB)
    loaded.open(models[0])
    world.held += 30 * MB
    assert not loaded.overgrown  # it is large by itself: another process would be as large
    loaded.open(models[1])
    assert loaded.overgrown
    world.held -= 100 * MB
    assert not loaded.overgrown


def test_nobody_waits_for_the_end_of_a_model_that_is_let_go(
    models: list[Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(100 * MB)
    loaded = kept(world, monkeypatch, 250 * MB)
    first = cast(Any, loaded.open(models[0]))
    ending, over, close = Event(), Event(), first.close

    def lasting() -> None:
        ending.set()
        assert over.wait(20)
        close()

    first.close = lasting
    with ThreadPoolExecutor(2) as pool:
        opening = pool.submit(loaded.open, models[1])
        try:
            assert ending.wait(10)
            world.held += 100 * MB
            assert pool.submit(loaded.all).result(10) == []
            assert not loaded.overgrown  # what it held is about to go
        finally:
            over.set()
        assert [opening.result(10)] == loaded.all() and world.closed == ["one"]


def test_closing_lets_go_of_all(models: list[Model], monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(MB)
    loaded = kept(world, monkeypatch, None)
    loaded.open(models[0])
    loaded.open(models[1])
    loaded.close()
    assert not loaded.all() and world.closed == ["one", "two"]


def test_a_model_whose_files_were_replaced_is_loaded_anew(
    models: list[Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(50 * MB)
    loaded = kept(world, monkeypatch, None)
    first = loaded.open(models[0])
    assert loaded.open(models[0]) is first
    assert loaded.open(open_model(models[0].path)) is first
    replace(models[0].path / "limner.json", (models[0].path / "limner.json").read_bytes())
    assert loaded.open(open_model(models[0].path)) is not first
