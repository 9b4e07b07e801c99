from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import pytest

from limner.engine.apart import ApartStudio, Rules
from limner.engine.apart.process import EngineProcess, killed_for_memory
from limner.engine.request import DrawRequest, Event, Failed, Finished, Picture, Stepped, Stopped
from limner.engine.source import Source
from limner.engine.studio import LocalStudio
from limner.engine.watching import Batch, EngineEnded, Loaded, Sight, TextsLookedUp
from limner.errors import InvalidInput, Lost, NotFound, Unavailable
from limner.registry.models import Registry

from .breaking_child import HOLD, LEAK

ROOT = Path(__file__).resolve().parents[3]
BREAKING = (sys.executable, str(Path(__file__).with_name("breaking_child.py")))
FAST = Rules(first_pause=0.01, most_pause=0.05)
WITHOUT_DRIVER = """
import sys
from pathlib import Path
from limner.engine.apart.child import local_studio, main
from limner.errors import Unavailable

def make(setup, watcher):
    if Path(sys.argv[1]).exists():
        raise Unavailable("no such device")
    return local_studio(setup, watcher)

main(make)
"""

Make = Callable[..., ApartStudio]


@pytest.fixture(scope="module")
def registry(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """One for all engines of this file: what one has compiled the next reads."""
    folder = tmp_path_factory.mktemp("registry")
    shutil.copytree(tiny_model, folder / "models" / "tiny" / "1")
    return Registry(folder)


@pytest.fixture
def make(registry: Registry) -> Iterator[Make]:
    made: list[ApartStudio] = []

    def one(rules: Rules = FAST, **options: Any) -> ApartStudio:
        options = {"command": BREAKING} | options
        studio = ApartStudio(registry, threads=1, rules=rules, **options)
        made.append(studio)
        return studio

    yield one
    for studio in made:
        studio.close()


@pytest.fixture
def hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """While this file exists no engine begins, and no picture goes on after its second step."""
    file = tmp_path / "hold"
    monkeypatch.setenv(HOLD, str(file))
    return file


def ask(**changes: object) -> DrawRequest:
    return DrawRequest.model_validate(
        {"prompt": "a red apple", "model": "tiny@1", "seed": 3, "steps": 4} | changes
    )


def begin(studio: ApartStudio | LocalStudio, source: Source | None = None, **changes: object) -> Queue[Event]:
    events: Queue[Event] = Queue()
    studio.start(ask(**changes), events.put, source)
    return events


def ending(events: Queue[Event]) -> Event:
    while isinstance(event := events.get(timeout=120), Stepped):
        pass
    return event


def drawn(events: Queue[Event]) -> Picture:
    event = ending(events)
    assert isinstance(event, Finished), event
    return event.picture


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(holds: Callable[[], bool]) -> None:
    for _ in range(6000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to pass within a minute")


def beat(process: EngineProcess) -> None:
    """Wait for its next sign of life."""
    before = process._beaten
    until(lambda: process._beaten != before)


def test_a_picture_apart_is_the_picture_here(make: Make, registry: Registry) -> None:
    here, apart = LocalStudio(registry, threads=1), make()
    given = Source(np.full((64, 64, 3), 99, np.uint8), keep=(0.0, 0.0, 0.5, 0.5))
    for source, changes in (
        (None, {}),
        (None, {"attention": True, "steps": 6}),
        (given, {"image": "apple.png", "strength": 0.5}),
    ):
        one, other = begin(here, source, **changes), begin(apart, source, **changes)
        steps = {}
        while isinstance(first := one.get(timeout=60), Stepped):
            steps[first.step, first.steps] = first.preview
        told = []
        while isinstance(second := other.get(timeout=60), Stepped):
            told.append((second.step, second.steps))
            assert np.array_equal(second.preview, steps[told[-1]])  # type: ignore[arg-type]
        assert told == sorted(set(told)) and {min(steps), max(steps)} <= set(told)
        assert isinstance(first, Finished) and isinstance(second, Finished)
        last = second.picture
        assert np.array_equal(first.picture.pixels, last.pixels)
        assert (last.request, last.model, last.version) == (first.picture.request, "tiny", "1")
        assert (last.attention is None) == (first.picture.attention is None)
    here.close()


def test_the_engine_is_no_part_of_this_process(make: Make) -> None:
    studio = make()
    studio.preload("tiny")
    assert studio.state() == "ok"
    assert studio.pid not in (None, os.getpid())
    probe = "import sys, limner.engine.apart; print('openvino' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert told.stdout == "False\n"


def test_wrong_requests_are_refused_at_once_and_by_their_field(make: Make) -> None:
    studio = make()
    with pytest.raises(InvalidInput) as caught:
        studio.start(ask(width=100), print)
    assert caught.value.field == "width"
    with pytest.raises(NotFound, match="tiny@1"):
        studio.resolve(ask(model="nobody"))
    with pytest.raises(NotFound, match="nobody"):
        studio.preload("nobody")
    assert studio.resolve(ask()).model == "tiny@1"


def test_cancelling_ends_with_stopped_also_while_there_is_no_engine(hold: Path, make: Make) -> None:
    hold.touch()
    studio = make()
    waiting: Queue[Event] = Queue()
    studio.start(ask(), waiting.put).cancel()
    assert isinstance(ending(waiting), Stopped)
    hold.unlink()
    drawn(begin(studio))
    hold.touch()
    events: Queue[Event] = Queue()
    drawing = studio.start(ask(), events.put)
    events.get(timeout=60)
    drawing.cancel()
    hold.unlink()
    assert isinstance(ending(events), Stopped)
    drawing.cancel()


def test_kill_9_costs_what_is_being_drawn_and_nothing_else(hold: Path, make: Make) -> None:
    studio = make()
    before = drawn(begin(studio))
    hold.touch()
    first, events = studio.pid, begin(studio)
    events.get(timeout=60)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    lost = ending(events)
    hold.unlink()
    assert isinstance(lost, Failed) and isinstance(lost.error, Lost) and "signal 9" in str(lost.error)
    assert lost.error.from_outside == (killed_for_memory() is not None)
    assert np.array_equal(drawn(begin(studio)).pixels, before.pixels)
    assert studio.pid != first and not alive(first)


def test_a_model_that_was_loaded_is_loaded_again_before_it_counts_as_ready(make: Make) -> None:
    studio = make()
    studio.preload("tiny")
    lost = ending(begin(studio, prompt="die"))
    assert isinstance(lost, Failed) and isinstance(lost.error, Lost) and not lost.error.from_outside
    assert studio.state() != "ok"
    until(lambda: studio.state() == "ok")


@pytest.mark.parametrize("whole", [True, False], ids=["the process", "a call"])
def test_what_hangs_is_ended_and_started_again(hold: Path, make: Make, whole: bool) -> None:
    studio = make()
    before = drawn(begin(studio))
    hold.touch()
    events = begin(studio, prompt="a red apple" if whole else "hang")
    if whole:
        events.get(timeout=60)
        assert studio.pid is not None
        os.kill(studio.pid, signal.SIGSTOP)
    # Only now: the start of an engine and the loading of a model may take longer.
    studio._supervisor._rules = Rules(silence=1) if whole else Rules(patience=2)
    lost = ending(events)
    assert isinstance(lost, Failed) and isinstance(lost.error, Lost)
    assert ("sign of life" if whole else "did not move") in str(lost.error)
    studio._supervisor._rules = FAST
    hold.unlink()
    assert np.array_equal(drawn(begin(studio)).pixels, before.pixels)


def test_an_engine_that_does_not_come_up_is_waited_for(make: Make, tmp_path: Path) -> None:
    studio = make(command=(*BREAKING, str(tmp_path / "lives"), "3"))
    events = begin(studio)
    drawn(events)
    assert (tmp_path / "lives").read_text("utf-8") == "4"


def test_an_engine_that_cannot_be_made_says_why_and_is_made_when_it_can(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    missing, sights = tmp_path / "missing", list[Sight]()
    missing.touch()
    studio = make(command=(sys.executable, "-c", WITHOUT_DRIVER, str(missing)), watcher=sights.append)
    events = begin(studio)
    loading = threading.Thread(target=studio.preload, args=("tiny",), daemon=True)
    loading.start()
    until(lambda: sum(isinstance(sight, EngineEnded) for sight in sights) >= 3)
    assert studio.state() == "starting again: the engine cannot be made: no such device"
    assert sum("no such device" in text for text in caplog.messages) == 1
    missing.unlink()
    drawn(events)
    loading.join(60)
    assert not loading.is_alive() and studio.state() == "ok"
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("by_itself", [True, False], ids=["died", "hangs"])
def test_what_is_asked_for_while_an_engine_ends_waits_for_the_next(
    make: Make, monkeypatch: pytest.MonkeyPatch, by_itself: bool
) -> None:
    studio = make()
    drawn(begin(studio))
    first, asked, end = studio._process, Queue[Queue[Event]](), EngineProcess.end
    assert first is not None

    def ask_and_end(process: EngineProcess) -> str:
        if process is first:
            asked.put(begin(studio))
        return end(process)

    monkeypatch.setattr(EngineProcess, "end", ask_and_end)
    if by_itself:
        os.kill(first.pid, signal.SIGKILL)
    else:
        monkeypatch.setattr(first, "hanging", lambda *rules: "hangs")
    drawn(asked.get(timeout=60))


def test_what_it_is_at_can_be_asked_while_models_come(make: Make) -> None:
    class Guarded(dict[str, Any]):
        def values(self) -> Any:
            assert studio._lock.locked(), "another thread may put a model in"
            return super().values()

    studio = make(command=(sys.executable, "-c", "import sys; sys.stdin.read()"))
    until(lambda: studio._process is not None)
    with studio._lock:
        assert studio._process is not None
        studio._process.ready, studio._loading = True, Guarded()
    assert studio.state() == "ok"


def test_pauses_double_up_to_a_bound() -> None:
    rules = Rules(first_pause=0.5, most_pause=4)
    assert [rules.pause(barren) for barren in (0, 1, 2, 3, 4, 5, 6, 1000)] == [0, 0, 0.5, 1, 2, 4, 4, 4]


def test_an_engine_that_leaks_is_replaced_between_pictures(hold: Path, make: Make) -> None:
    studio = make()
    drawn(begin(studio))
    process = studio._process
    assert process is not None
    beat(process)
    beat(process)  # the one before may have been on its way
    # Less than an engine that has leaked, but not so much less that it would be ended in the middle of a picture.
    memory = process.memory + LEAK * 3 // 4
    hold.touch()
    events = begin(studio, prompt="leak")
    studio._supervisor._rules = Rules(memory=memory, first_pause=0.01)
    until(lambda: process.retiring)
    assert not process.ended, "the picture is not done"
    hold.unlink()
    drawn(events)
    until(lambda: studio.pid not in (None, process.pid))
    drawn(begin(studio))


def test_what_the_engine_does_is_seen_here(make: Make) -> None:
    sights: list[Sight] = []
    studio = make(watcher=sights.append)
    ended: Queue[Event] = Queue()
    studio.start(ask(), ended.put, None, "the picture")
    drawn(ended)
    calls = [sight for sight in sights if isinstance(sight, Batch)]
    assert {call.stage for call in calls} == {"encode", "refine", "decode"}
    assert {call.pictures for call in calls} == {("the picture",)}
    assert {getattr(sight, "model", None) for sight in sights} == {"tiny@1"}
    assert {type(sight) for sight in sights} == {Batch, Loaded, TextsLookedUp}


def test_closing_stops_everything_and_leaves_no_process(hold: Path, make: Make) -> None:
    studio = make()
    drawn(begin(studio))
    hold.touch()
    events = begin(studio)
    events.get(timeout=60)
    pid = studio.pid
    studio.close()
    assert isinstance(ending(events), Stopped)
    assert pid is not None and not alive(pid)
    with pytest.raises(Unavailable):
        studio.start(ask(), print)


def test_the_engine_ends_with_its_parent(registry: Registry) -> None:
    code = (
        "import sys; from pathlib import Path; from limner.engine.apart import ApartStudio;"
        "from limner.registry.models import Registry; s = ApartStudio(Registry(Path(sys.argv[1])));"
        "s.preload('tiny'); print(s.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(registry.data_dir)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None and parent.stdin is not None
    engine = int(parent.stdout.readline())
    assert alive(engine)
    parent.kill()
    parent.wait(60)
    until(lambda: not alive(engine))
    parent.stdout.close()
    parent.stdin.close()
