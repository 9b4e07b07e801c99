"""The progress bars of verbs that take their time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import ProgressColumn


@contextmanager
def counting(words: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr with the time left; what it yields is called with (done, of how many)."""
    from rich.progress import MofNCompleteColumn

    with _bar(words, MofNCompleteColumn()) as told:
        yield told


@contextmanager
def copying(words: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr with the time left; what it yields is called with bytes (done, of how many)."""
    from rich.progress import DownloadColumn

    with _bar(words, DownloadColumn()) as told:
        yield told


@contextmanager
def _bar(words: str, amount: ProgressColumn) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
