from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from threading import Event as Flag

import numpy as np
import pytest

from limner.engine.best import Candidates, Choosers
from limner.engine.request import (
    MAX_SEED,
    DrawRequest,
    Event,
    Failed,
    Finished,
    Picture,
    Stepped,
    Stopped,
)
from limner.engine.studio import LocalStudio
from limner.errors import InvalidInput, Unavailable
from limner.families.matcher.matcher import open_matcher
from limner.families.matcher.opening import typed_here
from limner.registry.models import Registry, open_model

ASKED = DrawRequest(prompt="a red apple", seed=10, best_of=3, matcher="matcher-scenes@1")


@pytest.fixture(scope="module")
def registry(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    home = tmp_path_factory.mktemp("registry")
    shutil.copytree(tiny_model, home / "models" / "tiny" / "1")
    return Registry(home)


@pytest.fixture
def studio(registry: Registry) -> Iterator[LocalStudio]:
    studio = LocalStudio(registry, threads=1)
    yield studio
    studio.close()


def test_the_best_is_the_candidate_that_scores_most(studio: LocalStudio, tiny_matcher: Path) -> None:
    asked = studio.resolve(DrawRequest(prompt="a red apple", model="tiny", seed=MAX_SEED, steps=2))
    matcher = open_matcher(open_model(tiny_matcher))
    alone = [studio.draw(asked.nth(k)) for k in range(5)]
    scores = matcher.score([one.pixels for one in alone], [asked.prompt] * 5)
    best = alone[int(scores.argmax())]

    kept = studio.draw(asked.model_copy(update={"best_of": 5, "matcher": str(tiny_matcher)}))

    assert (kept.pixels == best.pixels).all()
    assert kept.request == best.request, "the settings that draw it again alone"


def test_pictures_of_a_job_share_no_candidate() -> None:
    seeds = [[one.seed for one in ASKED.nth(k).candidates] for k in range(3)]
    assert seeds == [[10, 11, 12], [13, 14, 15], [16, 17, 18]]
    varied = ASKED.model_copy(update={"variation_strength": 0.3, "variation_seed": MAX_SEED})
    assert [(one.seed, one.variation_seed) for one in varied.candidates] == [(10, MAX_SEED), (10, 0), (10, 1)]
    assert all(one.best_of == 1 and one.matcher is None for one in ASKED.candidates)


def test_who_chooses_is_settled_with_the_request(studio: LocalStudio, tiny_matcher: Path) -> None:
    asked = DrawRequest(prompt="a red apple", model="storybook", best_of=2)
    settled = studio.resolve(asked)
    assert settled.matcher is not None and settled.matcher.startswith("matcher-scenes@")
    assert studio.resolve(settled) == settled, "settling again changes nothing"
    path = str(tiny_matcher)
    assert studio.resolve(asked.model_copy(update={"matcher": path})).matcher == path


def test_a_bare_name_is_no_folder_but_where_it_was_typed(
    studio: LocalStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "config.json").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    asked = DrawRequest(prompt="a red apple", best_of=2, matcher="clip")
    with pytest.raises(InvalidInput, match="'clip' not found"):
        studio.resolve(asked)
    typed = asked.model_copy(update={"matcher": typed_here("clip")})
    assert studio.resolve(typed).matcher == "./clip"
    assert typed_here("matcher-scenes") == "matcher-scenes"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "tiny"}, "name the matcher that chooses among pictures of 'tiny'"),
        ({"matcher": "nothing"}, "'nothing' not found"),
        ({"matcher": "storybook"}, "'storybook' is of family diffusion, which draws"),
        ({"best_of": 1, "matcher": "matcher-scenes"}, "say how many by best_of"),
    ],
)
def test_who_cannot_choose_is_refused(studio: LocalStudio, changes: dict[str, object], words: str) -> None:
    asked = DrawRequest(prompt="a red apple", best_of=2)
    with pytest.raises(InvalidInput) as caught:
        studio.resolve(asked.model_copy(update=changes))
    assert caught.value.field == "matcher" and words in str(caught.value)


class Stage:
    """Candidates whose events the test tells, and what is heard of them as one picture."""

    def __init__(self, request: DrawRequest = ASKED, best: int = 0) -> None:
        self.heard: list[Event] = []
        self.tell: list[Callable[[Event], None]] = []
        self.cancelled: list[int] = []
        self.fails_at: int | None = None
        self.picture = Candidates(
            request, self.heard.append, lambda _, pictures, tell, wanted: tell(Finished(pictures[best]))
        )

    def begin(self) -> Stage:
        self.picture.begin(self._start)
        return self

    def _start(self, request: DrawRequest, on_event: Callable[[Event], None]) -> Stage._One:
        if len(self.tell) == self.fails_at:
            raise Unavailable("closed")
        self.tell.append(on_event)
        return Stage._One(self, len(self.tell) - 1)

    class _One:
        def __init__(self, stage: Stage, k: int) -> None:
            self._stage, self._k = stage, k

        def cancel(self) -> None:
            self._stage.cancelled.append(self._k)


def step(number: int, tone: int) -> Stepped:
    return Stepped(number, 4, np.full((2, 2, 3), tone, np.uint8))


def drawn(request: DrawRequest) -> Finished:
    return Finished(Picture(np.zeros((4, 4, 3), np.uint8), request, "tiny", "1", 0.5))


def test_a_step_is_the_mean_shown_as_the_first_that_is_still_drawn() -> None:
    stage = Stage().begin()
    for number in (1, 2, 3, 4):  # one after another, as where few fit a call
        stage.tell[0](step(number, number))
    stage.tell[0](drawn(ASKED.candidates[0]))
    for k, number in [(2, 1), (1, 1), (1, 2), (2, 2), (2, 3), (1, 3), (2, 4), (1, 4)]:
        stage.tell[k](step(number, 10 * k + number))
    told = [event for event in stage.heard if isinstance(event, Stepped)]
    assert [event.step for event in told] == [1, 2, 3, 4]
    shown = [int(event.preview[0, 0, 0]) for event in told if event.preview is not None]
    assert shown == [3, 11, 12, 14], "of the first, then, when that is done, of the second"


def test_a_failure_stops_the_others_and_is_told_once() -> None:
    stage = Stage().begin()
    stage.tell[1](Failed(RuntimeError("the paint ran out")))
    assert stage.cancelled == [0, 1, 2] and not stage.heard
    stage.tell[0](step(1, 0))
    stage.tell[0](Stopped())
    stage.tell[2](Failed(RuntimeError("the brush broke")))
    (end,) = stage.heard
    assert isinstance(end, Failed) and str(end.error) == "the paint ran out"


def test_what_is_cancelled_is_stopped_though_some_are_done() -> None:
    stage = Stage().begin()
    stage.tell[0](drawn(ASKED.candidates[0]))
    stage.picture.cancel()
    stage.tell[1](Stopped())
    stage.tell[2](Stopped())
    assert stage.heard == [Stopped()] and stage.cancelled == [0, 1, 2]


def test_where_one_cannot_begin_none_goes_on_and_nothing_is_told() -> None:
    stage = Stage()
    stage.fails_at = 2
    with pytest.raises(Unavailable):
        stage.begin()
    for tell in stage.tell:
        tell(Stopped())
    assert stage.cancelled == [0, 1] and not stage.heard


def test_a_matcher_that_cannot_be_opened_fails_the_picture(tmp_path: Path) -> None:
    ends: Queue[Event] = Queue()
    choosers = Choosers(Registry(tmp_path))
    nothing = ASKED.model_copy(update={"matcher": "nothing"})
    choosers.choose(nothing, [drawn(one).picture for one in ASKED.candidates], ends.put, lambda: True)
    end = ends.get(timeout=60)
    assert isinstance(end, Failed) and "'nothing' not found" in str(end.error)
    choosers.close()
    choosers.choose(ASKED, [], ends.put, lambda: True)
    assert ends.get(timeout=60) == Stopped()


def test_what_is_no_longer_wanted_opens_no_matcher(tmp_path: Path) -> None:
    ends: Queue[Event] = Queue()
    choosers = Choosers(Registry(tmp_path))
    nothing = ASKED.model_copy(update={"matcher": "nothing"})
    choosers.choose(nothing, [], ends.put, lambda: False)
    assert ends.get(timeout=60) == Stopped()
    assert choosers.still_for == 0.0
    choosers.close()


def test_a_choice_that_takes_long_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: Queue[Event] = Queue()
    held, going = Flag(), Flag()

    def hang(*given: object) -> int:
        going.set()
        assert held.wait(60)
        return 1

    monkeypatch.setattr("limner.families.matcher.matcher.rerank", hang)
    choosers = Choosers(Registry(tmp_path))
    pictures = [drawn(one).picture for one in ASKED.candidates]
    choosers.choose(ASKED, pictures, ends.put, lambda: True)
    assert going.wait(60) and choosers.still_for > 0
    held.set()
    assert ends.get(timeout=60) == Finished(pictures[1])
    choosers.close()
    assert choosers.still_for == 0.0


def test_other_files_of_the_matcher_are_another_identity(
    studio: LocalStudio, tiny_matcher: Path, tmp_path: Path
) -> None:
    matcher = shutil.copytree(tiny_matcher, tmp_path / "matcher")
    asked = DrawRequest(prompt="a red apple", model="tiny", best_of=2, matcher=str(matcher))
    before = studio.identity(studio.resolve(asked))
    alone = asked.model_copy(update={"best_of": 1, "matcher": None})
    assert before != studio.identity(studio.resolve(alone))
    (matcher / "vocabulary.json").write_bytes((matcher / "vocabulary.json").read_bytes() + b" ")
    assert studio.identity(studio.resolve(asked)) != before
