"""All verbs together, and what the command line does with errors.

Verbs import what they need when they run, so that help and a cold `limner draw` stay fast.
"""

from __future__ import annotations

import signal
import sys
from io import TextIOWrapper
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from .. import __version__
from ..errors import LimnerError
from . import (
    backup,
    compare,
    data_check,
    data_storybook,
    distill,
    draw,
    evaluate,
    feedback_export,
    jobs,
    keys,
    models_import,
    models_list,
    models_show,
    optimize,
    serve,
    storage,
    top,
    train,
    verify,
)
from .huge_pages import ask_for_huge_pages

INTERRUPTED = 130
REFUSED = 2


class Verbs(TyperGroup):
    """A group of verbs: an error of Limner's is one line on stderr and exit 2, Ctrl-C is a quiet exit 130."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb that was asked for."""
        try:
            return super().invoke(ctx)
        except LimnerError as error:
            message = str(error)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        except Exception as error:
            if type(error).__name__ != "SafetensorError":  # of an extra, which may not be here
                raise
            message = str(error)  # such as of a disk that is full
        typer.echo(f"limner: {' '.join(message.split())}", err=True)
        raise typer.Exit(REFUSED)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"limner {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def limner(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Captioned pictures in, a text-to-image service out."""


_data = typer.Typer(no_args_is_help=True, help="Captioned sets: draw one, check one.")
_models = typer.Typer(no_args_is_help=True, help="The models that are here.")
_keys = typer.Typer(
    no_args_is_help=True, help="Who may use a service: make a key, list, set its share, revoke, rotate."
)
_jobs = typer.Typer(no_args_is_help=True, help="Jobs that failed: list them, try them again.")
_feedback = typer.Typer(no_args_is_help=True, help="What people said of pictures.")
_import = typer.Typer(no_args_is_help=True, help="Bring in a checkpoint that others have made.")
app.command("draw")(draw.draw)
app.command("serve")(serve.serve)
app.command("top")(top.top)
app.command("verify")(verify.verify)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("storage")(storage.storage)
app.command("train")(train.train)
app.command("distill")(distill.distill)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("optimize")(optimize.optimize)
app.add_typer(_data, name="data")
app.add_typer(_models, name="models")
app.add_typer(_keys, name="keys")
app.add_typer(_jobs, name="jobs")
app.add_typer(_feedback, name="feedback")
_data.command("storybook")(data_storybook.storybook)
_data.command("check")(data_check.check)
_models.command("list")(models_list.list_models)
_models.command("show")(models_show.show)
_keys.command("create")(keys.create)
_keys.command("list")(keys.list_keys)
_keys.command("set")(keys.set_key)
_keys.command("revoke")(keys.revoke)
_keys.command("rotate")(keys.rotate)
_jobs.command("failed")(jobs.failed)
_jobs.command("retry")(jobs.retry)
_feedback.command("export")(feedback_export.export)
_models.add_typer(_import, name="import")
_import.command("sd")(models_import.sd)
_import.command("attngan")(models_import.attngan)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line and exit with its code; SIGTERM, which stops a container, is taken as Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no text
    if sys.argv[1:2] in (["train"], ["distill"]):
        ask_for_huge_pages()
    try:
        app(prog_name="limner")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
