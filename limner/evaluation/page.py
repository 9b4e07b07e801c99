"""The card as one page that needs nothing else: figures, and pictures with what the checker said of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from ..storybook.scene import Statement
from ..storybook.worlds import Verdict
from ..storybook.worlds import world as world_of
from .bench import CloseShown
from .card import Card, Ceiling, Cost, FileCard, Score, Settings
from .plots import depends, histogram, score_card
from .style import jpeg, whole
from .tally import Rate, Rows
from .ways import ways

FILE_TITLES = {"seen": "Seen pairs", "held_out": "Held-out pairs"}
_KINDS = "One atom falsified, by its kind; the mark is without looking"
_ROW_TITLES = {"left_right": "left / right alone", "every": "every statement", "all_correct": "all at once"}


@dataclass(frozen=True)
class Shown:
    """A picture for the page: its prompt, its pixels uint8 (H, W, 3), and the verdicts on it."""

    prompt: str
    pixels: NDArray[np.uint8]
    verdicts: tuple[Verdict, ...]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.9995 else "100 %"


def _rate(title: str, rate: Rate, chance: Rate | None = None) -> str:
    if not rate.total:
        return ""
    mark = "" if chance is None else f'<u style="left:{100 * chance.share:.1f}%"></u>'
    return (
        f'<div class="rate"><span>{title}</span><div class="bar"><i style="width:{100 * rate.share:.1f}%"></i>'
        f'<s style="left:{100 * rate.low:.1f}%;width:{100 * (rate.high - rate.low):.1f}%"></s>{mark}</div>'
        f"<b>{_percent(rate.share)}</b><small>{rate.accepted} of {rate.total}, "
        f"{100 * rate.low:.1f} to {100 * rate.high:.1f} %</small></div>"
    )


def _rates(rows: Rows) -> dict[str, Rate]:
    return {
        **{kind.replace("_", " "): rate for kind, rate in rows.statements.items()},
        _ROW_TITLES["left_right"]: rows.left_right,
        _ROW_TITLES["every"]: rows.every,
        _ROW_TITLES["all_correct"]: rows.all_correct,
    }


def _file(name: str, card: FileCard) -> str:
    chance = _rates(card.chance)
    bars = "".join(_rate(title, rate, chance[title]) for title, rate in _rates(card.all).items())
    return (
        f'<section class="card"><h3>{file_title(name)}: {card.prompts} prompts, {card.all.pictures} pictures</h3>'
        f"{bars}</section>"
    )


def _table(rows: dict[str, Rows], without: tuple[str, ...] = ()) -> str:
    totals = [_rates(row) for row in rows.values()]
    found = dict.fromkeys(title for rates in totals for title, rate in rates.items() if rate.total)
    titles = [title for title in found if title not in without]
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = ""
    for name, row in rows.items():
        rates = _rates(row)
        cells = "".join(
            f"<td>{_percent(rates[t].share) if rates[t].total else '&ndash;'}</td>" for t in titles
        )
        body += f"<tr><td>{name}</td>{cells}</tr>"
    return f'<div class="scroll"><table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _ceiling(words: str, ceiling: Ceiling) -> tuple[dict[str, Rows], str]:
    told = ceiling.note or ("not measured" if ceiling.accuracy is None else "")
    note = f'<p class="soft">{words}: {escape(told)}.</p>' if told else ""
    if ceiling.accuracy is None:
        return {}, note
    both = ceiling.accuracy
    return {f"{words}: what is so": both.true, f"{words}: one atom falsified": both.falsified}, note


def _steps(how: Settings) -> str:
    if not how.sampler and how.steps == 1:
        return "in one step"
    if not how.sampler:
        return f"token by token, guidance {how.guidance_scale:g}"
    return f"{how.steps} steps of {how.sampler}, guidance {how.guidance_scale:g}"


def _words(statement: Statement) -> str:
    """A value, with its kind where it says nothing alone."""
    plain = statement.value.isdigit() or statement.value in ("none", "plain")
    return f"{statement.kind} {statement.value}" if plain else statement.value


def figure(shown: Shown, with_prompt: bool = True) -> str:
    """A picture above its prompt and the verdicts on it."""
    marks = "".join(
        f'<li class="{"yes" if v.holds else "no"}" title="{escape(v.reason)}">{"✓" if v.holds else "✗"} '
        f"{escape(_words(v.statement))}</li>"
        for v in shown.verdicts
    )
    words = (escape(shown.prompt) if with_prompt else "") + (f"<ul>{marks}</ul>" if marks else "")
    caption = f"<figcaption>{words}</figcaption>" if words else ""
    return f'<figure><img src="{jpeg(shown.pixels)}" alt="{escape(shown.prompt)}">{caption}</figure>'


def _part(interval: tuple[float, float]) -> str:
    return "" if interval == (0.0, 1.0) else f" on {interval[0]:g} to {interval[1]:g} of the steps"


def _reuse(steps: int) -> str:
    return "" if steps == 1 else f", deep features every {steps} steps"


def page(card: Card, shown: Mapping[str, Sequence[Shown]], closest: Sequence[CloseShown] = ()) -> str:
    """The HTML of a card, with some pictures of each file and those nearest to what the model has learned from."""
    name = f"{escape(card.title)}, version {escape(card.version)}"
    galleries = "".join(
        f'<h2>{file_title(file)}: every n-th prompt, first seed</h2><div class="pictures">'
        f"{''.join(map(figure, pictures))}</div>"
        for file, pictures in shown.items()
    )
    return whole(
        f"Card of {name}",
        f'<h1>{name}</h1><p class="soft">{_lead(card)}</p>{_statements(card)}{_measures(card)}{_nearest(closest)}'
        f"{_checker(card)}{ways(card.choices)}<h2>How</h2><dl>{_facts(card)}</dl>{_depends(card)}{galleries}",
    )


def file_title(name: str) -> str:
    """What a file of prompts is called on a page."""
    return FILE_TITLES.get(name, escape(name.replace("_", " ").capitalize()))


def _lead(card: Card) -> str:
    if card.settings is None:
        return "A matcher draws nothing: it says how well pictures and texts match. Here it is held to true pictures."
    if card.files:
        return (
            "How often a picture shows what its prompt says, told by a rule-based checker that took no part in "
            "training. Bars: share with its 95 % interval; the mark is chance."
        )
    return "What an encoder says of the pictures. No scene graph says what they should show, so that none is checked."


def _statements(card: Card) -> str:
    if not card.files or card.world is None:
        return ""
    columns = "".join(_file(*file) for file in card.files.items())
    tables = ""
    for file, of in card.files.items():
        rows = {world_of(card.world).subsets[k]: v for k, v in of.subsets.items()}
        rows |= {"The learned picture with the nearest caption": of.nearest} if of.nearest is not None else {}
        rows |= {"Chance (values at random)": of.chance, "Shuffled captions": of.shuffled}
        tables += f"<h2>{file_title(file)}, by shape of the prompt</h2>{_table(rows)}"
    return f'<h2>Statements that hold</h2><div class="columns">{columns}</div>{tables}'


def _measures(card: Card) -> str:
    single = [score for score in card.scores if not score.id.startswith("told-apart-")]
    kinds = [score for score in card.scores if score.id.startswith("told-apart-")]
    missing = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in card.missing.items())
    if not card.scores and (not missing or card.bench is None):
        return ""
    plots = "".join(map(histogram, card.histograms))
    apart = "".join(map(_kind_bar, kinds))
    return (
        '<h2>Measured by an encoder</h2><div class="columns">'
        f"{''.join(map(score_card, single))}{plots}"
        + (f'<section class="card"><h3>{_KINDS}</h3>{apart}</section>' if apart else "")
        + "</div>"
        + (f'<p class="soft">Not measured:</p><ul class="missing">{missing}</ul>' if missing else "")
    )


def _depends(card: Card) -> str:
    return f"<h2>What each score depends on</h2>{depends(card.scores)}" if card.scores else ""


def _kind_bar(score: Score) -> str:
    low, high = score.low or 0.0, score.high or 0.0
    right = round(score.value * score.n)
    rate = Rate(accepted=right, total=score.n, low=low, high=high)
    usual = round(next(iter(score.beside.values()), 0.5) * score.n)
    mark = Rate(accepted=usual, total=score.n, low=0, high=1)
    return _rate(escape(score.title.removeprefix("told apart by ")), rate, mark)


def _nearest(closest: Sequence[CloseShown]) -> str:
    if not closest:
        return ""
    figures = "".join(
        f'<figure><div class="pair"><img src="{jpeg(one.pixels)}" alt="drawn"><img src="{jpeg(one.learned)}" '
        f'alt="learned from"></div><figcaption>{one.distance:.3g}: {escape(one.prompt)}</figcaption></figure>'
        for one in closest
    )
    return (
        '<h2>Nearest to what it learned from</h2><p class="soft">The drawn pictures that come nearest, left, and the '
        f'pictures that they come near to, right, with the distance.</p><div class="pictures pairs">{figures}</div>'
    )


def _checker(card: Card) -> str:
    if card.true_renders is None:
        return ""
    true, true_note = _ceiling("True renders", card.true_renders)
    back, back_note = _ceiling("Autoencoder round trips", card.round_trip) if card.round_trip else ({}, "")
    table = _table(true | back, without=(_ROW_TITLES["all_correct"],))
    return f"<h2>The checker itself</h2>{table}{true_note}{back_note}"


def _facts(card: Card) -> str:
    cost, how, facts = card.cost, card.settings, {}
    if how is not None:
        facts["Pictures"] = (
            f"{how.width} x {how.height}, {_steps(how)}{_part(how.guidance_interval)}{_reuse(how.feature_reuse)}, "
            f"{how.seeds} seed{'s' if how.seeds != 1 else ''} a prompt"
        )
        facts["Drawing"] = drawing(cost)
    facts["Training"] = f"{cost.training_hours:g} hours on {cost.training_hardware}, "
    facts["Training"] += f"{cost.training_examples:,} examples"
    if cost.training_parent:
        facts["Training"] += f", with those of {cost.training_parent}, from which it went on"
    if card.bench is not None:
        facts["Held against"] = f"{card.bench.name}, {card.bench.hash}"
    facts["Card made"] = card.created
    return "".join(f"<dt>{word}</dt><dd>{escape(text)}</dd>" for word, text in facts.items())


def drawing(cost: Cost) -> str:
    """What a picture costs, in words."""
    held = f", {cost.memory:,} MB held at most" if cost.memory is not None else ""
    return f"{cost.seconds_a_picture:g} s a picture, {cost.at_once} at a time{held}, on {cost.hardware}"
