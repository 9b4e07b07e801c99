"""`limner data check`: what is wrong with a captioned set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson

if TYPE_CHECKING:
    from ..data.check import Report


def check(
    folder: Annotated[Path, typer.Argument(help="A folder of captioned pictures.")],
    as_json: AsJson = False,
) -> None:
    """Look at every picture and caption; exits 1 when something must be mended."""
    from ..data.check import check_set
    from .progress import counting

    with counting("looking at pictures") as progress:
        report = check_set(folder, progress)
    if as_json:
        _print_json(report)
    else:
        _print_table(report)
    if report.must_mend:
        raise typer.Exit(1)


def _print_json(report: Report) -> None:
    import json

    findings = [
        {"kind": one.kind, "where": one.where, "detail": one.detail, "must_mend": one.must_mend}
        for one in report.findings
    ]
    told = {"pictures": report.pictures, "captions": report.captions, "findings": findings}
    typer.echo(json.dumps(told, indent=1))


def _print_table(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if report.findings:
        table = Table("", "what", "where", "details")
        for one in (*report.must_mend, *report.worth_a_look):
            verdict = Text("mend", "bold red") if one.must_mend else Text("look", "yellow")
            table.add_row(
                verdict,
                one.kind,
                Text(_shown(one.where), overflow="fold"),
                Text(_shown(one.detail), overflow="fold"),
            )
        Console().print(table)
    mend, look = len(report.must_mend), len(report.worth_a_look)
    typer.echo(f"{report.pictures} pictures, {report.captions} captions: {mend} to mend, {look} worth a look")


def _shown(text: str) -> str:
    """A text for the terminal; bytes of a file name that are not UTF-8 are written as escapes."""
    return text.encode(errors="backslashreplace").decode()
