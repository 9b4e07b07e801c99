"""One frame of `limner top`: what a service tells of itself, laid out for a terminal."""

from __future__ import annotations

import time
from collections import deque
from datetime import datetime

from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..answers import RunningNow, Status

_BARS = "▁▂▃▄▅▆▇█"
_KEPT = 30
_MINUTE = 60.0
_ERRORS_SHOWN = 5
_JOBS_SHOWN = 12


class History:
    """The last answers of a service, newest last, and since when there is none."""

    def __init__(self) -> None:
        self.seen: deque[Status] = deque(maxlen=_KEPT)
        self.silent: tuple[float, str] | None = None

    def add(self, status: Status) -> None:
        """The service has answered."""
        self.seen.append(status)
        self.silent = None

    def lost(self, why: str) -> None:
        """It has not."""
        self.silent = (self.silent[0] if self.silent else time.time(), why)

    @property
    def now(self) -> Status:
        """The newest answer."""
        return self.seen[-1]


def frame(history: History, url: str) -> RenderableType:
    """What the terminal shows of a service at `url`."""
    status = history.now
    parts: list[RenderableType] = [_head(status, url)]
    if history.silent is not None:
        since, why = history.silent
        parts.append(Text(f" no answer since {_clock(since)}: {why}", style="bold red"))
    boxes = [_minute(history), _queue(status), _memory(status)]
    parts += [Columns(boxes, padding=(0, 0)), _running(status), _models(status), _errors(status)]
    return Group(*parts)


def _head(status: Status, url: str) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column()
    line.add_column(justify="right")
    line.add_row(
        Text.assemble((" Limner ", "bold"), f"{status.version} at {url}, up {_duration(status.up_seconds)}"),
        Text(" ").join(
            [*(_part(name, state) for name, state in status.ready.items()), Text("")],
        ),
    )
    return line


def _part(name: str, state: str) -> Text:
    if state == "ok":
        return Text.assemble(("●", "green"), f" {name}")
    return Text.assemble(("●", "red"), f" {name}: {state}")


def _minute(history: History) -> Panel:
    minute = history.now.last_minute
    pictures = [each.last_minute.pictures for each in history.seen]
    rows = [each.last_minute.rows_per_call for each in history.seen]
    seconds = min(_MINUTE, max(1.0, history.now.up_seconds))
    table = _pairs()
    table.add_row("pictures", f"{minute.pictures}", f"{minute.pictures / seconds:.2f}/s", _spark(pictures))
    table.add_row("steps", f"{minute.steps}", f"{minute.steps / seconds:.1f}/s")
    table.add_row("rows a call", f"{minute.rows_per_call:.1f}", "", _spark(rows))
    table.add_row("pictures a call", f"{minute.pictures_per_call:.1f}")
    wrong = Text(f"{minute.failures} failed", style="red" if minute.failures else "dim")
    table.add_row("requests", f"{minute.requests}", f"{minute.refused} refused", wrong)
    return Panel(table, title="last minute", title_align="left", border_style="dim", width=50)


def _queue(status: Status) -> Panel:
    queue, table = status.queue, _pairs()
    if queue is None:
        away = Text("the database is silent", style="red")
        return Panel(away, title="queue", title_align="left", border_style="dim", width=32)
    full = queue.waiting / max(1, queue.limit)
    colour = "red" if full > 0.8 else "yellow" if full > 0.4 else "green"
    bar = _bar(full, 26, colour)
    table.add_row("wait", f"{queue.waiting} of {queue.limit}")
    table.add_row("oldest", _duration(queue.oldest_seconds))
    table.add_row("are drawn", f"{queue.running}")
    return Panel(Group(table, Text(""), bar), title="queue", title_align="left", border_style="dim", width=32)


def _memory(status: Status) -> Panel:
    memory, minute, table = status.memory, status.last_minute, _pairs()
    table.add_row("service", _bytes(memory.service))
    if memory.engine is not None:
        table.add_row("engine", _bytes(memory.engine))
    table.add_row("disk left", _bytes(memory.data_free))
    share = f"{minute.texts_kept / minute.texts:.0%} of {minute.texts}" if minute.texts else "-"
    table.add_row("texts kept", share)
    while table.row_count < 5:
        table.add_row("")
    return Panel(table, title="memory", title_align="left", border_style="dim", width=32)


def _running(status: Status) -> RenderableType:
    if not status.running:
        return Text(" nothing is being drawn\n", style="dim")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=True, header_style="dim", show_edge=False)
    for heading in ("job", "model", "size", "step", "", "pictures", "for", "try"):
        table.add_column(heading, justify="right" if heading in {"pictures", "for", "try"} else "left")
    for job in status.running[:_JOBS_SHOWN]:
        table.add_row(*_job(job))
    more = len(status.running) - _JOBS_SHOWN
    return Group(table, Text(f" and {more} more\n" if more > 0 else "", style="dim"))


def _job(job: RunningNow) -> list[RenderableType]:
    size = f"{job.width}x{job.height}" if job.width and job.height else "-"
    again = Text(str(job.attempts), style="yellow" if job.attempts > 1 else "dim")
    bar = _bar(job.step / max(1, job.steps), 20, "cyan")
    step = f"{job.step}/{job.steps}"
    return [job.id[:8], job.model, size, bar, step, f"{job.done}/{job.n}", _duration(job.seconds), again]


def _models(status: Status) -> RenderableType:
    line = Text(" models ", style="dim")
    for model in status.models:
        dot = ("●", "green") if model.loaded else ("○", "dim")
        name = f"{model.name}@{model.version}"
        line.append_text(Text.assemble("  ", dot, " ", (name, "bold" if model.served else "")))
    return Group(line, Text(""))


def _errors(status: Status) -> RenderableType:
    if not status.mishaps:
        return Text(" nothing went wrong lately", style="dim")
    table = Table.grid(padding=(0, 2))
    table.add_row(Text(" errors", style="dim"), "", "")
    for mishap in status.mishaps[:_ERRORS_SHOWN]:
        job = Text(mishap.job[:8] if mishap.job else "", style="dim")
        table.add_row(
            f" {_clock(mishap.at.timestamp())}", job, Text(mishap.what, style="red", overflow="ellipsis")
        )
    return table


def _pairs() -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_column()
    return table


def _spark(values: list[int] | list[float]) -> Text:
    """The last values as bars, the highest as a full one."""
    most = max(values, default=0)
    shown = values[-14:]
    bars = "".join(_BARS[round(value / most * (len(_BARS) - 1))] if most else _BARS[0] for value in shown)
    return Text(bars, style="cyan")


def _bar(share: float, width: int, colour: str) -> Text:
    """A share of 1 as a bar that also reads without colours."""
    filled = round(min(1.0, max(0.0, share)) * width)
    return Text.assemble(("━" * filled, colour), ("─" * (width - filled), "dim"))


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _bytes(count: int | None) -> str:
    if count is None:
        return "not known"
    size, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if size >= 10 or units[0] == "B" else f"{size:.1f} {units[0]}"


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment).strftime("%H:%M:%S")
