"""Scores and histograms as pictures within a page: SVG written by hand, in the page's own colours."""

from __future__ import annotations

from html import escape

from .card import Histogram, Score

PERCENT = ("r-precision", "retrieval", "told-apart")
_WIDTH, _HEIGHT = 320, 26
_EDGE = 8
_PLOT = 120
_KINDS = ("drawn", "true", "other")
"""Classes of the style: what the model drew, what is true, what is by chance."""


def number(score: Score, value: float) -> str:
    """A value of a score in words: a share in percent, all else in three digits."""
    if score.id.startswith(PERCENT):
        return f"{100 * value:.1f} %"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def score_card(score: Score) -> str:
    """A score with its interval, and beside it what true pictures and chance have, on one axis."""
    interval = ""
    if score.low is not None and score.high is not None:
        interval = f"<small>{number(score, score.low)} to {number(score, score.high)}</small>"
    legend = "".join(
        f'<li><i class="{_kind(name)}"></i>{escape(name)} <b>{number(score, value)}</b></li>'
        for name, value in score.beside.items()
    )
    better = {"higher": "higher is better", "lower": "lower is better", "neither": ""}[score.better]
    note = " ".join(part for part in (score.note, better and f"{better.capitalize()}.") if part)
    return (
        f'<section class="card score"><h3>{escape(score.title)}</h3>'
        f'<p class="value"><b>{number(score, score.value)}</b>{interval}</p>{_axis(score)}'
        f'<ul class="legend">{legend}</ul><p class="soft note">{escape(note)}</p></section>'
    )


def _axis(score: Score) -> str:
    known = [
        score.value,
        *score.beside.values(),
        *(end for end in (score.low, score.high) if end is not None),
    ]
    low, high = min(0.0, *known), max(known)
    if score.id.startswith(PERCENT):
        low, high = 0.0, 1.0
    scale = (_WIDTH - 2 * _EDGE) / max(high - low, 1e-9)

    def at(value: float) -> float:
        return round(_EDGE + (min(max(value, low), high) - low) * scale, 1)

    middle = _HEIGHT / 2
    drawn = f'<line class="track" x1="{_EDGE}" x2="{_WIDTH - _EDGE}" y1="{middle}" y2="{middle}"/>'
    if score.low is not None and score.high is not None:
        first, last = at(score.low), at(score.high)
        width = max(1.0, round(last - first, 1))
        drawn += f'<rect class="span" x="{first}" y="{middle - 4}" width="{width}" height="8" rx="4"/>'
    for name, value in score.beside.items():
        drawn += f'<path class="{_kind(name)}" d="M{at(value)} {middle - 9}v18"/>'
    drawn += f'<circle class="drawn" cx="{at(score.value)}" cy="{middle}" r="5.5"/>'
    words = f"{score.title}: {number(score, score.value)}"
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(words)}">{drawn}</svg>'


def _kind(name: str) -> str:
    if name == "drawn":
        return _KINDS[0]
    return _KINDS[1] if name.startswith("true") else _KINDS[2]


def histogram(of: Histogram) -> str:
    """The shares of each kind of picture over a value, one outline a kind, what was drawn filled."""
    top = max((max(shares) for shares in of.shares.values()), default=0) or 1
    bins = len(of.edges) - 1
    step = (_WIDTH - 2 * _EDGE) / bins
    lines = ""
    for name, shares in reversed(list(of.shares.items())):
        heights = [round(_PLOT - share / top * (_PLOT - 10), 1) for share in shares]
        path = f"M{_EDGE} {_PLOT}" + "".join(
            f"V{height}H{round(_EDGE + (k + 1) * step, 1)}" for k, height in enumerate(heights)
        )
        lines += f'<path class="{_kind(name)}" d="{path}V{_PLOT}"/>'
    marks = ""
    for share in (0.0, 0.5, 1.0):
        value = of.edges[0] + share * (of.edges[-1] - of.edges[0])
        place = _EDGE + share * (_WIDTH - 2 * _EDGE)
        side = {0.0: "start", 0.5: "middle", 1.0: "end"}[share]
        marks += f'<text x="{place:.0f}" y="{_PLOT + 16}" text-anchor="{side}">{value:.3g}</text>'
    legend = "".join(f'<li><i class="{_kind(name)}"></i>{escape(name)}</li>' for name in of.shares)
    return (
        f'<section class="card plot"><h3>{escape(of.title)}</h3>'
        f'<svg viewBox="0 0 {_WIDTH} {_PLOT + 22}" role="img" aria-label="{escape(of.title)}">'
        f'<line class="track" x1="{_EDGE}" x2="{_WIDTH - _EDGE}" y1="{_PLOT}" y2="{_PLOT}"/>{lines}{marks}</svg>'
        f'<ul class="legend">{legend}</ul></section>'
    )


def depends(scores: tuple[Score, ...]) -> str:
    """A table of all that each score depends on."""
    head = "".join(f"<th>{word}</th>" for word in ("N", "encoder", "its hash", "pictures", "model", "data"))
    rows = "".join(
        f"<tr><td>{escape(score.id)}</td>"
        + "".join(
            f"<td>{escape(str(value))}</td>"
            for value in (
                f"{score.n:,}",
                score.encoder,
                score.encoder_hash,
                score.resize,
                score.model,
                score.data,
            )
        )
        + "</tr>"
        for score in scores
    )
    return f'<div class="scroll"><table><thead><tr><th>score</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
