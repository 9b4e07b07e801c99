"""What `limner optimize` measured, on the card of the model: which way to draw it picked, what each costs and saves."""

from __future__ import annotations

from html import escape

from ..registry.choices import Choice, Choices
from ..registry.models import Model
from .card import CARD_NAME, PAGE_NAME, Card

_BEGIN, _END = "<!-- ways to draw -->", "<!-- /ways to draw -->"
_NEXT = "<h2>How</h2>"  # what follows them on a page


def ways(choices: Choices | None) -> str:
    """The part of the page that says it, between two marks by which it is found again; empty between them without."""
    if choices is None:
        return _BEGIN + _END
    rows = choices.rows
    titles = ["guided", "features used for", "s a picture", "time saved"]
    checked, measured = any(row.statements is not None for row in rows), any(row.memory for row in rows)
    titles += ["statements that hold"] if checked else []
    titles += ["dB to float32"]
    titles += ["MB held"] if measured else []
    head = "".join(f"<th>{title}</th>" for title in [*titles, ""])
    body = "".join(_row(row, rows[0], checked, measured) for row in rows)
    return (
        f"{_BEGIN}<h2>Ways to draw</h2>"
        f'<p class="soft">{choices.prompts} sentences each way on {escape(choices.machine)}, '
        f"{escape(choices.created)}, for {escape(choices.target)}; limner optimize chose.</p>"
        f'<div class="scroll"><table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f"{_END}"
    )


def _row(row: Choice, exact: Choice, checked: bool, measured: bool) -> str:
    first, last = row.guidance_interval
    cells = [
        f"{first:g} to {last:g}",
        "1 step" if row.feature_reuse == 1 else f"{row.feature_reuse} steps",
        f"{row.seconds:.3f}",
        "&ndash;" if row is exact else f"{100 * (1 - row.seconds / exact.seconds):.0f} %",
    ]
    if checked:
        cells.append("&ndash;" if row.statements is None else _share(row.statements, exact, row is exact))
    cells.append("&ndash;" if row.psnr is None else f"{row.psnr:.1f}")
    if measured:
        cells.append("&ndash;" if row.memory is None else f"{row.memory:,}")
    cells.append("<b>chosen</b>" if row.chosen else "")
    return f"<tr><td>{row.precision}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _share(statements: float, exact: Choice, own: bool) -> str:
    share = f"{100 * statements:.1f} %"
    return (
        share
        if own or exact.statements is None
        else f"{share} ({100 * (statements - exact.statements):+.1f})"
    )


def put_on_card(model: Model, choices: Choices) -> None:
    """Put what was measured on the card in a model's directory; without an evaluation the page says it alone."""
    if (model.path / CARD_NAME).is_file():
        Card.read(model.path).model_copy(update={"choices": choices}).write(model.path)
    file = model.path / PAGE_NAME
    page = file.read_text("utf-8") if file.is_file() else ""
    before, mark, rest = page.partition(_BEGIN)
    if not page:
        page = _alone(model, choices)
    elif mark:
        page = before + ways(choices) + rest.partition(_END)[2]
    else:  # a card of before there was such a part
        page = page.replace(_NEXT, ways(choices) + _NEXT, 1)
    file.write_text(page, encoding="utf-8")


def _alone(model: Model, choices: Choices) -> str:
    from .style import whole

    name = f"{escape(model.manifest.title)}, version {escape(model.version)}"
    note = "Not evaluated: no checker knows its words, or nobody asked (limner evaluate)."
    return whole(f"Card of {name}", f'<h1>{name}</h1><p class="soft">{note}</p>{ways(choices)}')
