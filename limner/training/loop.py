"""The one training loop: every family's stages go through it.

A stage brings a module and a loss; the loop brings accelerate, the optimiser, the schedule of its rate, EMA,
accumulation, checkpoints, validation, sample sheets, TensorBoard, progress and Ctrl-C. All randomness of a
step is derived from (seed, step), so a run that is interrupted and resumed ends with the same weights.
"""

from __future__ import annotations

import math
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from ..errors import Cancelled, InvalidInput, LimnerError
from . import checkpoints
from .average import MovingAverage
from .networks import Waiting, compile_networks
from .optimizers import Optimizer, learning_rate, trainable
from .precision import autocast
from .recipe import Optimisation
from .stage import Stage, Turn, TurnTaking, turns_of

_STEP_SEED, _PART_SEED, _TURN_SEED = 1_000_003, 2**40, 2**52
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
_STOPPING = b"\nstopping after this step, and saving it; Ctrl-C again stops at once, without\n"
_TOLD_EVERY = 20  # steps, and on a GPU also those between two looks at its losses: each look waits for it
Tell = Callable[[str, float], None]

console = Console()


@dataclass(frozen=True)
class Made:
    """What one turn of a step came to, still where it was computed: its losses, and the length of its gradient."""

    name: str
    losses: dict[str, Tensor]
    norm: Tensor


@contextmanager
def _interruptible() -> Iterator[list[bool]]:
    """Turn the first Ctrl-C (or SIGTERM) into a flag that the loop reads between two steps."""
    asked: list[bool] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(True)
        os.write(2, _STOPPING)  # a handler may run while the console is held

    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Loop:
    """Train one stage in `folder`: checkpoints, TensorBoard events and sheets go there."""

    def __init__(self, stage: Stage, recipe: Optimisation, seed: int, folder: Path) -> None:
        self.stage, self.recipe, self.seed, self.folder = stage, recipe, seed, folder
        folder.mkdir(parents=True, exist_ok=True)
        # Precision is the recipe's own, a stage at a time; accelerate keeps one for the whole process.
        self.accelerator = Accelerator(mixed_precision="no")
        parts = recipe.accumulation * self.accelerator.num_processes
        if recipe.batch_size % parts:
            raise InvalidInput(
                f"{stage.name}.batch_size={recipe.batch_size} must be a multiple of {parts}: "
                f"accumulation {recipe.accumulation} in {self.accelerator.num_processes} processes",
                field=f"{stage.name}.batch_size",
            )
        # A batch is learned in so many parts, each with randomness of its own, whoever takes them.
        self.parts = parts
        device = self.accelerator.device
        stage.module.to(device)
        _ordered(stage.module, torch.channels_last)  # convolutions take a fifth less time so
        self._read_every = _TOLD_EVERY if device.type == "cuda" else 1
        if recipe.compile and device.type == "cuda":
            compile_networks(stage.module)
        self.turns = turns_of(stage)
        share = (self.accelerator.process_index, self.accelerator.num_processes)
        self.optimizers = [Optimizer(turn.module, recipe, share) for turn in self.turns]
        averaged = stage.averaged if isinstance(stage, TurnTaking) else stage.module
        self.parameters = trainable(averaged)
        self.average = MovingAverage(self.parameters, recipe.ema_decay, recipe.ema_on_cpu, share)
        self.step, self.seconds, self.waiting = 0, 0.0, Waiting()

    @contextmanager
    def _within_memory(self) -> Iterator[None]:
        """Tell in a line where a step, or a look at what is learned, does not fit in memory."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            full = isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)
            if not full:
                raise
            ways = ["lower batch_size", "raise accumulation", 'set optimizer = "adafactor"']
            if self.recipe.can_checkpoint and not self.recipe.gradient_checkpointing:
                ways.append("set gradient_checkpointing")
            raise LimnerError(
                f"{self.stage.name}: step {self.step} does not fit in memory; {', '.join(ways)}, and begin again"
            ) from None

    def run(self, resume: bool = False) -> nn.Module:
        """Train to the recipe's last step and return the stage's module with its averaged weights.

        With `resume` it goes on from the newest checkpoint. Ctrl-C saves one and raises Cancelled.
        """
        if resume:
            self._restore()
        elif self.accelerator.is_main_process:
            shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)
        self.accelerator.wait_for_everyone()
        recipe, visible, first = self.recipe, self.accelerator.is_main_process, self.step
        if visible and recipe.sheet_every and first < recipe.steps:
            console.print(f"{self.stage.name}: sample sheets in {self.folder / 'sheets'}", soft_wrap=True)
        began = time.monotonic()
        with (
            self._events() as tell,
            _progress(visible) as bar,
            _interruptible() as asked,
            self.waiting.watching(self.stage.module),
            self._within_memory(),
        ):
            task = bar.add_task(self.stage.name, total=recipe.steps, completed=self.step, loss="")
            while self.step < recipe.steps:
                made = self._one_step()
                self.step += 1
                last, stop = self.step == recipe.steps, self._any(bool(asked))
                saving = last or stop or self.step % recipe.checkpoint_every == 0
                bar.update(task, completed=self.step)
                if saving or self.step % self._read_every == 0:
                    losses = self._read(made)
                    bar.update(task, loss=f"loss {losses['loss']:.4f}")
                    if self.step % _TOLD_EVERY == 0:
                        for name, value in losses.items():
                            tell(f"train/{name}", value)
                        tell("train/seconds_waiting_for_data", self.waiting.seconds / (self.step - first))
                if _due(recipe.validate_every, self.step, last):
                    self._validate(tell)
                if _due(recipe.sheet_every, self.step, last):
                    self._sheet()
                now = time.monotonic()
                self.seconds, began = self.seconds + now - began, now
                if saving:
                    self._save()
                if stop or (last and self._any(bool(asked))):
                    raise Cancelled(
                        f"{self.stage.name}: saved at step {self.step} of {recipe.steps}; go on with --resume"
                    )
        self.average.copy_to(self.parameters)
        if visible:
            console.print(
                f"{self.stage.name}: {self.step} steps, {self.seconds / 60:.1f} min, "
                f"{self.step / max(self.seconds, 1e-9):.2f} steps/s, "
                f"{self.waiting.seconds / max(1, self.step - first):.4f} s of each waiting for data, "
                f"at most {_held():.1f} GB held"
            )
        return _ordered(self.stage.module, torch.contiguous_format).eval()

    @contextmanager
    def _events(self) -> Iterator[Tell]:
        """Where TensorBoard reads, from one process; steps after the checkpoint are told anew."""
        if not self.accelerator.is_main_process:
            yield lambda name, value: None
            return
        with closing(SummaryWriter(self.folder / "events", purge_step=self.step or None)) as writer:
            yield lambda name, value: writer.add_scalar(name, value, self.step)

    def _any(self, here: bool) -> bool:
        """Whether any process says so, so that all stop at the same step."""
        if self.accelerator.num_processes == 1:
            return here
        flag = torch.tensor(float(here), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, "sum") > 0)

    def _autocast(self) -> torch.autocast:
        return autocast(self.accelerator.device.type, self.recipe.precision)

    def _one_step(self) -> list[Made]:
        """One step of every optimiser, in turns."""
        self.stage.module.train()
        made = [
            self._one_turn(turn, number, each)
            for number, (turn, each) in enumerate(zip(self.turns, self.optimizers, strict=True))
        ]
        self.average.step(self.parameters)
        return made

    def _one_turn(self, turn: Turn, number: int, changing: Optimizer) -> Made:
        """One optimiser's step; each process takes its share of the batch, and gradients are averaged."""
        recipe, processes = self.recipe, self.accelerator.num_processes
        parameters = trainable(turn.module)
        sums: dict[str, Tensor] = {}
        size, own = recipe.batch_size // self.parts, self.parts // processes
        for part in range(own):
            share = part * processes + self.accelerator.process_index
            torch.manual_seed(
                (self.seed * _STEP_SEED + self.step + share * _PART_SEED + number * _TURN_SEED) % 2**63
            )
            generator = torch.Generator().manual_seed(
                ((self.seed * _STEP_SEED + self.step) * 65_536 + share) & (2**63 - 1)
            )
            self.waiting.begin()
            with self._autocast():
                first = self.step * recipe.batch_size + share * size
                losses = turn.loss(self.step, first, size, generator)
            self.accelerator.backward(losses["loss"] / own)
            for name, value in losses.items():
                found = value.detach().float() / own
                sums[name] = sums[name] + found if name in sums else found
        if processes > 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad = self.accelerator.reduce(parameter.grad, "mean")
        norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
        changing.step(learning_rate(recipe, self.step))
        return Made(turn.name, sums, norm)

    def _read(self, made: Sequence[Made]) -> dict[str, float]:
        """The losses of the last step; a step whose loss or gradient is no number ends the training, unsaved."""
        losses: dict[str, float] = {}
        for turn in made:
            found, norm = {name: float(value) for name, value in turn.losses.items()}, float(turn.norm)
            if not (math.isfinite(found["loss"]) and math.isfinite(norm)):
                raise LimnerError(
                    f"{turn.name or self.stage.name}: loss {found['loss']}, gradient {norm} at step {self.step - 1}; "
                    "lower learning_rate and go on from the last checkpoint with --resume"
                )
            losses |= found | ({turn.name: found["loss"]} if turn.name else {})
        return losses

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        self.stage.module.eval()
        # Nothing is compiled for the shapes of a few pictures.
        with (
            self.average.in_place(self.parameters),
            torch.no_grad(),
            self._autocast(),
            torch.compiler.set_stance("force_eager"),
        ):
            yield

    def _validate(self, tell: Tell) -> None:
        with self._averaged():
            found = self.stage.validate()
        for name, value in found.items():
            tell(f"held_out/{name}", value)
        if self.accelerator.is_main_process:
            text = "  ".join(f"{name} {value:.5f}" for name, value in found.items())
            with (self.folder / "validation.log").open("a", encoding="utf-8") as log:
                log.write(f"step {self.step}  {self.seconds / 60:.1f} min  {text}\n")

    def _sheet(self) -> None:
        with self._averaged():
            page = self.stage.sheet() if self.accelerator.is_main_process else None
        if page is None:
            return
        (self.folder / "sheets").mkdir(exist_ok=True)
        page.save(self.folder / "sheets" / f"{self.step:07d}.png")

    def _save(self) -> None:
        if self.accelerator.num_processes > 1:  # statistics of what each has seen: all go on with the first's
            for buffer in self.stage.module.buffers():
                buffer.copy_(broadcast(buffer.contiguous()))
        optimizers = {
            _key(turn): each.state_dict() for turn, each in zip(self.turns, self.optimizers, strict=True)
        }
        average = self.average.state_dict(self.parameters)
        if self.accelerator.is_main_process:
            state = {
                "module": _trained(self.stage.module),
                **optimizers,
                "ema": average,
                "step": self.step,
                "parts": self.parts,
                "seconds": self.seconds,
            }
            checkpoints.write(self.folder / "checkpoints", self.step, state)
        self.accelerator.wait_for_everyone()

    def _restore(self) -> None:
        newest = checkpoints.newest(self.folder / "checkpoints")
        if newest is None:
            return
        checkpoint, state = newest
        try:
            missing, unknown = self.stage.module.load_state_dict(state["module"], strict=False)
            fits = not unknown and not set(missing) & set(_trained(self.stage.module))
        except RuntimeError:
            fits = False
        if not fits:
            raise InvalidInput(
                f"{checkpoint} was trained with other channels or layers than the recipe says; "
                "use that recipe, or start again with --anew"
            )
        for turn, each in zip(self.turns, self.optimizers, strict=True):
            each.load_state_dict(state[_key(turn)])
        self.average.load_state_dict(state["ema"], self.parameters)
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        self._keep_parts(int(state.get("parts", self.parts)))

    def _keep_parts(self, parts: int) -> None:
        """Learn on in as many parts as before, in however many processes, so that nothing but speed is another."""
        if parts % self.accelerator.num_processes == 0:
            self.parts = parts
        elif self.accelerator.is_main_process:
            console.print(
                f"{self.stage.name}: batches were learned in {parts} parts, which {self.accelerator.num_processes} "
                f"processes cannot share; from step {self.step} on in {self.parts}, with noise of their own"
            )


def _ordered(module: nn.Module, order: torch.memory_format) -> nn.Module:
    """The module itself, its weights in that order of memory."""
    return module.to(memory_format=order)  # type: ignore[call-overload, no-any-return]  # its stubs lack the argument


def _trained(module: nn.Module) -> dict[str, Tensor]:
    """What a checkpoint keeps of a module: all but frozen parameters, which it has from elsewhere."""
    frozen = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    return {name: value for name, value in module.state_dict().items() if name not in frozen}


def _key(turn: Turn) -> str:
    """Where a checkpoint keeps the state of a turn's optimiser."""
    return f"optimizer {turn.name}".rstrip()


def _due(every: int, step: int, last: bool) -> bool:
    """Whether something that is done every so many steps, and at the last, is due; 0 means never."""
    return bool(every) and (last or step % every == 0)


def _held() -> float:
    """The most memory that this process has held, in GB: of its GPU where it has one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT / 1e9


def _progress(visible: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=True),
    )  # fmt: skip
    return Progress(*columns, disable=not visible)
