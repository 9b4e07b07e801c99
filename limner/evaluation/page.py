"""The card as one page that needs nothing else: figures, and pictures with what the checker said of each."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..storybook.scene import Statement
from ..storybook.worlds import Verdict
from ..storybook.worlds import world as world_of
from .card import Card, Ceiling, FileCard, Settings
from .tally import Rate, Rows
from .ways import ways

FILE_TITLES = {"seen": "Seen pairs", "held_out": "Held-out pairs"}
_ROW_TITLES = {"left_right": "left / right alone", "every": "every statement", "all_correct": "all at once"}

_STYLE = """
:root { color-scheme: light dark; --ink: #23202b; --soft: #6b6676; --paper: #faf8f4; --card: #fff; --line: #e4dfd6;
  --good: #1f7a4d; --bad: #b3323a; --bar: #4f6bd8; --chance: #b9b3c6; }
@media (prefers-color-scheme: dark) { :root { --ink: #efecf4; --soft: #a49fb2; --paper: #17151c; --card: #211e28;
  --line: #37323f; --good: #62c997; --bad: #f0868c; --bar: #8aa0ff; --chance: #5b5568; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .2rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
p { margin: .3rem 0; } .soft { color: var(--soft); }
.columns { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); }
section.card { background: var(--card); border: 1px solid var(--line); border-radius: .8rem; padding: 1rem;
  min-width: 0; }
section.card h3 { margin: 0 0 .6rem; font-size: 1rem; }
.rate { display: grid; grid-template-columns: 7.4rem 1fr 4.2rem; gap: .6rem; align-items: center; margin: .45rem 0; }
.rate b { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.bar { position: relative; height: .8rem; border-radius: .4rem; background: var(--line); }
.bar i { position: absolute; inset: 0 auto 0 0; border-radius: .4rem; background: var(--bar); }
.bar u { position: absolute; top: -.15rem; bottom: -.15rem; width: 2px; background: var(--ink); opacity: .55; }
.bar s { position: absolute; top: .2rem; bottom: .2rem; background: var(--ink); opacity: .4; }
.rate small { grid-column: 2 / 4; color: var(--soft); margin-top: -.55rem; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .35rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } thead th { color: var(--soft); font-weight: 500; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; } dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.pictures { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(9.6rem, 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; overflow: hidden; }
figure img { display: block; width: 100%; aspect-ratio: 1; }
figcaption { padding: .5rem .6rem .7rem; font-size: .85rem; }
ul { list-style: none; margin: .35rem 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: .1rem .7rem;
  font-size: .78rem; }
.yes { color: var(--good); } .no { color: var(--bad); }
"""


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
        **rows.statements,
        _ROW_TITLES["left_right"]: rows.left_right,
        _ROW_TITLES["every"]: rows.every,
        _ROW_TITLES["all_correct"]: rows.all_correct,
    }


def _file(name: str, card: FileCard) -> str:
    chance = _rates(card.chance)
    bars = "".join(_rate(title, rate, chance[title]) for title, rate in _rates(card.all).items())
    return (
        f'<section class="card"><h3>{FILE_TITLES[name]}: {card.prompts} prompts, {card.all.pictures} pictures</h3>'
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
    if ceiling.accuracy is None:
        return {}, f'<p class="soft">{words}: {escape(ceiling.note or "not measured")}.</p>'
    both = ceiling.accuracy
    return {f"{words}: what is so": both.true, f"{words}: one atom falsified": both.falsified}, ""


def _steps(how: Settings) -> str:
    if not how.sampler and how.steps == 1:
        return "in one step"
    if not how.sampler:
        return f"token by token, guidance {how.guidance_scale:g}"
    return f"{how.steps} steps of {how.sampler}, guidance {how.guidance_scale:g}"


def _jpeg(pixels: NDArray[np.uint8]) -> str:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def _words(statement: Statement) -> str:
    """A value, with its kind where it says nothing alone."""
    plain = statement.value.isdigit() or statement.value in ("none", "plain")
    return f"{statement.kind} {statement.value}" if plain else statement.value


def _figure(shown: Shown) -> str:
    marks = "".join(
        f'<li class="{"yes" if v.holds else "no"}" title="{escape(v.reason)}">{"✓" if v.holds else "✗"} '
        f"{escape(_words(v.statement))}</li>"
        for v in shown.verdicts
    )
    return (
        f'<figure><img src="{_jpeg(shown.pixels)}" alt="{escape(shown.prompt)}">'
        f"<figcaption>{escape(shown.prompt)}<ul>{marks}</ul></figcaption></figure>"
    )


def _part(interval: tuple[float, float]) -> str:
    return "" if interval == (0.0, 1.0) else f" on {interval[0]:g} to {interval[1]:g} of the steps"


def _reuse(steps: int) -> str:
    return "" if steps == 1 else f", deep features every {steps} steps"


def page(card: Card, shown: dict[str, list[Shown]]) -> str:
    """The HTML of a card with some pictures of each frozen file."""
    name, cost, how = f"{escape(card.title)}, version {escape(card.version)}", card.cost, card.settings
    true, true_note = _ceiling("True renders", card.true_renders)
    back, back_note = _ceiling("Autoencoder round trips", card.round_trip)
    checker = _table(true | back, without=(_ROW_TITLES["all_correct"],))
    tables = ""
    for file, of in card.files.items():
        rows = {world_of(card.world).subsets[k]: v for k, v in of.subsets.items()}
        rows |= {"Chance (values at random)": of.chance, "Shuffled captions": of.shuffled}
        tables += f"<h2>{FILE_TITLES[file]}, by shape of the prompt</h2>{_table(rows)}"
    galleries = "".join(
        f'<h2>{FILE_TITLES[file]}: every n-th prompt, first seed</h2><div class="pictures">'
        f"{''.join(map(_figure, pictures))}</div>"
        for file, pictures in shown.items()
    )
    facts = {
        "Pictures": f"{how.width} x {how.height}, {_steps(how)}"
        f"{_part(how.guidance_interval)}{_reuse(how.feature_reuse)}, "
        f"{how.seeds} seed{'s' if how.seeds != 1 else ''} a prompt",
        "Drawing": f"{cost.seconds_a_picture:g} s a picture, {cost.at_once} at a time, on {cost.hardware}",
        "Training": f"{cost.training_hours:g} hours on {cost.training_hardware}, {cost.training_examples:,} examples"
        + (f", with those of {cost.training_parent}, from which it went on" if cost.training_parent else ""),
        "Card made": card.created,
    }
    listed = "".join(f"<dt>{word}</dt><dd>{escape(text)}</dd>" for word, text in facts.items())
    return whole(
        name,
        f'<h1>{name}</h1><p class="soft">How often a picture shows what its prompt says, told by a rule-based '
        "checker that took no part in training. Bars: share with its 95 % interval, as if all statements were "
        "independent; the mark is chance.</p>"
        f'<h2>Statements that hold</h2><div class="columns">{"".join(_file(*f) for f in card.files.items())}</div>'
        f"{tables}<h2>The checker itself</h2>{checker}{true_note}{back_note}"
        f"{ways(card.choices)}<h2>How</h2><dl>{listed}</dl>{galleries}",
    )


def whole(name: str, body: str) -> str:
    """A page called `name` around HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Card of {name}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )
