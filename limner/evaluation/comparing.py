"""`limner compare`: several models on the same bench, the same prompts and seeds, side by side on one page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from ..errors import InvalidInput
from ..registry.making import check_writable, write_whole
from ..registry.models import Registry
from ..registry.places import data_dir as place_of
from ..workers import workers
from .bench import Evaluation, evaluated
from .card import Card, Score
from .material import Frozen, Material, Sentences, material_of, shared
from .page import drawing, figure, file_title
from .plots import number
from .run import bars, judges_for, shown_of, write
from .style import whole
from .tally import Rate

COMPARISON_NAME = "compare.html"
_SHOWN = 12
_MOST = 6


def compare(
    references: Sequence[str],
    out: Path | None = None,
    seeds: int = 3,
    count: int | None = None,
    data_dir: Path | None = None,
    data: str | None = None,
    prompts: str | None = None,
    matcher: str | None = None,
    inception: Path | None = None,
) -> Path:
    """Evaluate models on what `data` or `prompts` ask, as `evaluate`, and write compare.html beside a card of each.

    They go into `out`, by default runs/compare-<names>, each card into a folder <name>-<version> there. What is asked
    is what the first model would be. Gives the folder. InvalidInput unless there are two to six models, no two the
    same, and all of them draw; else as `evaluate`.
    """
    registry = Registry(place_of(data_dir))
    models = [registry.find(reference) for reference in references]
    names = [f"{model.name}@{model.version}" for model in models]
    if not 2 <= len(models) <= _MOST:
        raise InvalidInput(f"name two to {_MOST} models to compare, not {len(models)}")
    for place, (name, model) in enumerate(zip(names, models, strict=True)):
        if name in names[:place]:
            raise InvalidInput(
                f"{name} is named twice; give each a version of its own: set version in [model] of its recipe, and "
                "train with --resume, which learns nothing anew"
            )
        if not model.manifest.draws:
            raise InvalidInput(f"{name} is a {model.manifest.family}, which draws nothing to compare")
    first = material_of(models[0], data, prompts, count)
    if isinstance(first, Frozen):
        data = first.world.name
    same = [first, *(material_of(model, data, prompts, count) for model in models[1:])]
    materials = shared(same, count)
    judges = judges_for(registry, matcher, first, inception)
    folder = out or Path("runs") / f"compare-{'-'.join(model.name for model in models)}"
    for model in models:
        check_writable(folder / f"{model.name}-{model.version}")
    true_size = max(model.manifest.sizes[0].width for model in models)
    found: list[Evaluation] = []
    with workers() as pool, bars() as tell:
        for model, material in zip(models, materials, strict=True):
            found.append(evaluated(registry, model, material, seeds, judges, pool, tell, true_size))
    for model, one in zip(models, found, strict=True):
        write(one, folder / f"{model.name}-{model.version}")
    write_whole(folder / COMPARISON_NAME, comparison(found, materials[0], true_size))
    return folder


def comparison(found: Sequence[Evaluation], material: Material, true_size: int) -> str:
    """The page: numbers, cost, and pictures in columns, one column a model, beside true pictures of `true_size` px."""
    cards = [one.card for one in found]
    titles = [f"{card.title} {card.version}" for card in cards]
    title = " | ".join(map(escape, titles))
    seeds = cards[0].settings.seeds if cards[0].settings else 1
    lead = (
        f"The same prompts and the same {seeds} seed{'s' if seeds != 1 else ''} for each, of {escape(material.name)}. "
        "The best of a row is bold; where intervals overlap, the difference may be chance."
    )
    if not isinstance(material, Sentences):
        lead += f" True pictures are of {true_size} px for all, so that a smaller model pays for what it leaves out."
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    rows = "".join(_row(*row) for row in _rows(cards))
    costs = "".join(
        f"<dt>{escape(title)}</dt><dd>{escape(drawing(card.cost))}; trained {card.cost.training_hours:g} hours on "
        f'{escape(card.cost.training_hardware)}; <a href="{card.model}-{card.version}/card.html">its card</a></dd>'
        for title, card in zip(titles, cards, strict=True)
    )
    galleries = "".join(_gallery(file, found, titles) for file in material.files)
    return whole(
        f"Comparison of {title}",
        f'<h1>{title}</h1><p class="soft">{lead}</p><h2>Numbers</h2><div class="scroll"><table class="numbers"><thead>'
        f"<tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></div><h2>Cost</h2><dl>{costs}</dl>{galleries}",
    )


Cell = tuple[float, str, tuple[str, ...]]
"""A value, its words, and the lines below: its interval, and what it stands beside."""


def _rows(cards: Sequence[Card]) -> list[tuple[str, str, list[Cell | None]]]:
    """Title, what is better, and a cell for each card."""
    rows: list[tuple[str, str, list[Cell | None]]] = []
    for file in dict.fromkeys(name for card in cards for name in card.files):
        kinds = dict.fromkeys(
            kind for card in cards if file in card.files for kind in card.files[file].all.statements
        )
        for kind in [*kinds, "all at once"]:
            rates = [_rate(card, file, kind) for card in cards]
            if any(rate is not None and rate.total for rate in rates):
                cells = [_share(rate) if rate is not None and rate.total else None for rate in rates]
                rows.append((f"{file_title(file)}: {kind.replace('_', ' ')}", "higher", cells))
    for id in dict.fromkeys(score.id for card in cards for score in card.scores):
        scores = [next((score for score in card.scores if score.id == id), None) for card in cards]
        known = next(score for score in scores if score is not None)
        cells = [None if score is None else _measure(score) for score in scores]
        rows.append((escape(known.title), known.better, cells))
    seconds = [card.cost.seconds_a_picture for card in cards]
    rows.append(("Seconds a picture", "lower", [(value, f"{value:g}", ()) for value in seconds]))
    memory = [card.cost.memory for card in cards]
    rows.append(
        ("MB held at most", "lower", [None if mb is None else (float(mb), f"{mb:,}", ()) for mb in memory])
    )
    return rows


def _rate(card: Card, file: str, kind: str) -> Rate | None:
    if file not in card.files:
        return None
    rows = card.files[file].all
    return rows.all_correct if kind == "all at once" else rows.statements.get(kind)


def _share(rate: Rate) -> Cell:
    return rate.share, f"{100 * rate.share:.1f} %", (f"{100 * rate.low:.1f} to {100 * rate.high:.1f} %",)


def _measure(score: Score) -> Cell:
    """A score with what its own model was held against: it may differ from that of the others."""
    lines = [f"{name} {number(score, value)}" for name, value in score.beside.items()]
    if score.low is not None and score.high is not None:
        lines.insert(0, f"{number(score, score.low)} to {number(score, score.high)}")
    return score.value, number(score, score.value), tuple(lines)


def _row(title: str, better: str, cells: list[Cell | None]) -> str:
    values = [cell[0] for cell in cells if cell is not None]
    best = {"higher": max, "lower": min}.get(better)
    told = ""
    for cell in cells:
        if cell is None:
            told += "<td>&ndash;</td>"
            continue
        value, words, lines = cell
        bold = best is not None and len(values) > 1 and value == best(values) and min(values) < max(values)
        below = "".join(f"<small>{escape(line)}</small>" for line in lines)
        told += f"<td>{f'<b>{words}</b>' if bold else words}{below}</td>"
    return f"<tr><td>{title}</td>{told}</tr>"


def _gallery(file: str, found: Sequence[Evaluation], titles: Sequence[str]) -> str:
    shown = [shown_of(one.drawn[file], _SHOWN) for one in found]
    columns = f"grid-template-columns:repeat({len(found)},minmax(0,1fr))"
    head = "".join(f"<b>{escape(title)}</b>" for title in titles)
    rows = "".join(
        f'<h3>{escape(row[0].prompt)}</h3><div class="row" style="{columns}">'
        f"{''.join(figure(one, False) for one in row)}</div>"
        for row in zip(*shown, strict=True)
    )
    return (
        f'<h2>{file_title(file)}: every n-th prompt, first seed</h2><div class="compared">'
        f'<div class="row names" style="{columns}">{head}</div>{rows}</div>'
    )
