"""From the instances in a picture to a verdict on each statement of a scene."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..palette import COLOURS
from ..scene import Scene, Statement, statements
from ..subjects import SUBJECTS
from ..verdict import Verdict
from .fitting import Sheet, costs
from .instances import NOTHING, Explainer, Instance
from .places import Setting, plausible, settings
from .segmentation import SIZE, View, view
from .signs import legible, sign_word

_SUBJECT_MARGIN = 0.025
_COLOUR_MARGIN = 0.0
_TOUCH = 2.2
_ASIDE = 10.0


@dataclass(frozen=True)
class Reading:
    """What the checker sees in a picture, before it is held against any single statement."""

    settings: tuple[Setting, ...]
    seen: View
    found: tuple[Instance, ...]
    sign: tuple[str, float] | None


def _colour_costs(seen: View, instances: tuple[Instance, ...], subject: str | None) -> dict[str, float]:
    """How badly each colour explains the instances."""
    total = dict.fromkeys(COLOURS, 0.0)
    for instance in instances:
        match = instance.best if subject is None else instance.of(subject)
        sheet = Sheet(seen, instance.box.grown(0.55), seen.front & ~instance.region)
        for colour in COLOURS:
            total[colour] += float(costs(sheet, match.frame, colour, np.asarray([match.template]))[0])
    return {colour: cost / len(instances) for colour, cost in total.items()}


def _subject_costs(instances: tuple[Instance, ...]) -> dict[str, float]:
    return {name: float(np.mean([one.of(name).cost for one in instances])) for name in SUBJECTS}


Shares = tuple[tuple[Instance, ...], ...]


def _shared_out(scene: Scene, found: tuple[Instance, ...]) -> Shares:
    """Which instances belong to which thing: the assignment that fits best."""
    if len(scene.things) == 1:
        return (found,)

    def price(k: int, one: Instance) -> float:
        match = one.of(scene.things[k].subject)
        return match.cost + (0.15 if scene.things[k].colour not in (None, match.colour) else 0.0)

    if len(found) < 2:
        mine = int(price(0, found[0]) > price(1, found[0])) if found else 0
        return tuple(found if k == mine else () for k in range(2))
    pairs = permutations(range(len(found)), 2)
    chosen = min(pairs, key=lambda pair: sum(price(k, found[n]) for k, n in enumerate(pair)))
    shares = [[found[n]] for n in chosen]
    for n, one in enumerate(found):
        if n not in chosen:
            shares[int(price(0, one) > price(1, one))].append(one)
    return tuple(tuple(share) for share in shares)


def read(pixels: NDArray[np.uint8], sign: bool = False, word: bool = False) -> Reading:
    """Take a picture, uint8 (H, W, 3), apart; `sign`: a sign may stand in it; `word`: its word is asked."""
    if pixels.shape[:2] != (SIZE, SIZE):
        method = Image.Resampling.BOX if min(pixels.shape[:2]) >= SIZE else Image.Resampling.BICUBIC
        pixels = np.asarray(Image.fromarray(pixels).resize((SIZE, SIZE), method))
    ranked = settings(pixels)
    seen = view(pixels, ranked[0], sign)
    return Reading(
        tuple(ranked), seen, tuple(Explainer(seen).instances()), sign_word(pixels) if word else None
    )


def _subject(mine: tuple[Instance, ...], said: Statement) -> tuple[bool, str]:
    if not mine:
        return False, "nothing stands out that could be it"
    cost = _subject_costs(mine)
    best = min(cost, key=lambda name: cost[name])
    holds = cost[said.value] <= cost[best] + _SUBJECT_MARGIN and cost[said.value] < NOTHING
    return holds, f"looks most like {best} ({cost[best]:.2f}); {said.value} {cost[said.value]:.2f}"


def _colour(seen: View, mine: tuple[Instance, ...], scene: Scene, said: Statement) -> tuple[bool, str]:
    if not mine:
        return False, "nothing stands out that could wear it"
    subjects = _subject_costs(mine)
    named = scene.things[said.thing].subject
    trusted = subjects[named] <= min(subjects.values()) + 0.02
    cost = _colour_costs(seen, mine, named if trusted else None)
    best = min(cost, key=lambda name: cost[name])
    return cost[said.value] <= cost[best] + _COLOUR_MARGIN, f"its tones are nearest to {best}"


def _relation(shares: Shares, said: Statement) -> tuple[bool, str]:
    if any(not mine for mine in shares) or len(shares) != 2:
        return False, "the two things are not both there"
    (ax0, _, ax1, ay1), (bx0, by0, bx1, by1) = (mine[0].best.unit for mine in shares)
    dx, dy = (ax0 + ax1 - bx0 - bx1) / 2, (ay1 - by1)
    if abs(dx) > abs(dy):
        shown = "left of" if dx < 0 else "right of"
    elif dy > 0:
        shown = "below"
    else:
        lower = shares[1][0].best
        height = SUBJECTS[lower.subject].top
        surface = by1 - height * (by1 - by0) if height else lower.frame.top
        gap = surface - ay1
        shown = "on top of" if gap < _TOUCH else "above"
    return shown == said.value, f"the first is {shown} the second"


def _sign(reading: Reading, said: Statement) -> tuple[bool, str]:
    word, fit = reading.sign or ("", 0.0)
    return word == said.value and legible(fit), f"reads most like {word} ({fit:.2f})"


def verdicts(reading: Reading, scene: Scene) -> tuple[Verdict, ...]:
    """The verdicts on all statements of a scene, for a picture that was read."""
    found = []
    first = reading.settings[0]
    shares = _shared_out(scene, reading.found)
    for said in statements(scene):
        if said.kind == "subject":
            holds, reason = _subject(shares[said.thing], said)
        elif said.kind == "colour":
            holds, reason = _colour(reading.seen, shares[said.thing], scene, said)
        elif said.kind == "count":
            number = len(shares[said.thing])
            holds, reason = str(number) == said.value, f"{number} to be seen"
        elif said.kind == "relation":
            holds, reason = _relation(shares, said)
        elif said.kind == "sign":
            holds, reason = _sign(reading, said)
        else:
            shown = first.place if said.kind == "place" else first.time
            holds, reason = (
                shown == said.value and plausible(first),
                f"laid out like {first.place}, {first.time}",
            )
        found.append(Verdict(said, holds, reason))
    return tuple(found)


def check(pixels: NDArray[np.uint8], scene: Scene) -> tuple[Verdict, ...]:
    """Which statements of a scene hold for a picture, uint8 (H, W, 3): one verdict for each of `statements(scene)`.

    What a scene leaves unsaid (None) is not held against the picture. The checker is made of rules alone and
    is used to judge models, never to train one or to pick pictures.
    """
    asked = scene.sign is not None
    return verdicts(read(pixels, asked, asked), scene)
