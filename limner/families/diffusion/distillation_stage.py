"""Teaching a denoiser to jump: what the teacher reaches in several guided steps, the student reaches in one unguided.

The student learns from walks, which are drawings seen at the student's timesteps. First it takes the teacher's own.
From then on it walks itself, and the teacher goes on from each latent that the student came by (Ross et al. 2011,
"DAgger"): so it learns to make good what its own jumps have left undone, which the teacher's latents never show.
Guidance is part of what the teacher does, and so of what is learned (Meng et al. 2023); a jump that stands for several
steps is from Salimans and Ho (2022).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from numpy.typing import NDArray
from PIL import Image
from rich.progress import Progress
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from ...engine.noise import normal
from ...sheets import captioned
from ...training.distilling import Distillation
from ...training.pictures import to_pixels
from .attention import choose_attention
from .distillation_jumps import Jumps
from .distillation_teacher import Teacher

_FILE = 64  # walks in one
_HELD_OUT, _HELD_OUT_FROM = 64, 1 << 30
_SHEET = 8
_SEEDS = 1_000_000_000
_ROUNDS = 8  # of the student's own walks that it learns from


@dataclass(frozen=True)
class Walks:
    """Drawings at the student's timesteps: `tokens` (N, T); jump k goes from `starts[:, k]` to `ends[:, k]`,
    both (N, K, C, h, w) float16."""

    tokens: NDArray[np.int32]
    starts: NDArray[np.float16]
    ends: NDArray[np.float16]

    def save(self, file: Path) -> None:
        """Write it whole or not at all."""
        partial = file.with_suffix(".partial")
        with partial.open("wb") as stream:
            np.savez(stream, tokens=self.tokens, starts=self.starts, ends=self.ends)
        partial.rename(file)

    @classmethod
    def read(cls, file: Path) -> Walks:
        """Read what `save` wrote."""
        with np.load(file) as found:
            return cls(found["tokens"], found["starts"], found["ends"])

    @classmethod
    def join(cls, parts: list[Walks]) -> Walks:
        """All walks of several files."""
        return cls(
            np.concatenate([part.tokens for part in parts]),
            np.concatenate([part.starts for part in parts]),
            np.concatenate([part.ends for part in parts]),
        )


@dataclass(frozen=True)
class Texts:
    """Sentences by number, and how they are encoded; the encoder stays as it is."""

    text: Callable[[int], str]
    tokenizer: CLIPTokenizer
    encoder: CLIPTextModel

    def tokens(self, texts: list[str]) -> Tensor:
        """Token ids (N, T), int64."""
        made: Tensor = self.tokenizer(
            texts,
            padding="max_length",
            truncation=True,
            max_length=self.encoder.config.max_position_embeddings,
            return_tensors="pt",
        ).input_ids
        return made

    @torch.no_grad()
    def states(self, tokens: Tensor) -> Tensor:
        """Encodings (N, T, D), float32."""
        with torch.autocast(self.encoder.device.type, enabled=False):
            found: Tensor = self.encoder(input_ids=tokens.to(self.encoder.device)).last_hidden_state
        return found


class DistillationStage:
    """The loop's view of a student."""

    name = "distillation"

    def __init__(
        self,
        settings: Distillation,
        student: UNet2DConditionModel,
        vae: AutoencoderKL,
        texts: Texts,
        teacher: Teacher,
        jumps: Jumps,
        folder: Path,
    ) -> None:
        """`student` starts as the teacher; walks are kept in `folder`."""
        self.settings, self.module, self.vae, self.texts = settings, student, vae, texts
        self.teacher, self.jumps, self.folder = teacher, jumps, folder
        size, channels = student.config.sample_size, student.config.in_channels
        h, w = (size, size) if isinstance(size, int) else size
        choose_attention(student, None, max(h, w))
        self._shape = (channels, h, w)
        self._taught: Walks | None = None
        self._held_out: Walks | None = None
        self._followed: tuple[int, Walks] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def prepare(self, show: Progress) -> None:
        """Let the teacher draw what is learned from first, and what is held out; files that are there are kept."""
        wanted = [
            (f"taught-{at:08d}", at, min(_FILE, self.settings.walks - at))
            for at in range(0, self.settings.walks, _FILE)
        ]
        held_out = ("held-out", _HELD_OUT_FROM, min(_HELD_OUT, self.settings.walks))
        bar = show.add_task("the teacher draws", total=self.settings.walks + held_out[2])
        found = []
        for name, first, count in (*wanted, held_out):
            file = self.folder / f"{name}.npz"
            if not file.is_file():
                self._walks(first, count, None).save(file)
            found.append(Walks.read(file))
            show.advance(bar, count)
        self._taught, self._held_out = Walks.join(found[:-1]), found[-1]

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """As `Stage.loss`; half of the examples are of the student's latest walks."""
        assert self._taught is not None
        own = self._own(step)
        half = (size + step % 2) // 2 if own is not None else 0
        parts = [_chosen(self._taught, size - half, generator)]
        if own is not None and half:
            parts.append(_chosen(own, half, generator))
        tokens, starts, ends, numbers = (torch.cat(each) for each in zip(*parts, strict=True))
        errors = self._errors(tokens, starts, ends, numbers)
        found = {"loss": errors.mean()}
        for k in range(len(self.jumps.timesteps)):
            if (of := numbers.to(errors.device) == k).any():
                found[f"jump_{k + 1}"] = errors[of].mean()
        return found

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The error of each jump on held-out walks of the teacher, and of the latent after all of the student's own."""
        walks = self._held_out
        assert walks is not None
        tokens, count = torch.from_numpy(walks.tokens).long(), walks.starts.shape[1]
        found = {}
        for k in range(count):
            each = [
                self._errors(
                    tokens[rows],
                    _float(walks.starts[rows, k]),
                    _float(walks.ends[rows, k]),
                    torch.full((len(tokens[rows]),), k),
                )
                for rows in self._parts(len(tokens))
            ]
            found[f"jump_{k + 1}"] = float(torch.cat(each).mean())
        found["mean"] = sum(found.values()) / count
        clean = self._drawn(_float(walks.starts[:, 0]), self.texts.states(tokens))[-1]
        found["end"] = float((clean.cpu() - _float(walks.ends[:, -1])).square().mean())
        return found

    @torch.no_grad()
    def sheet(self) -> Image.Image:
        """Eight held-out sentences, drawn by the teacher, and below by the student from the same noise."""
        walks = self._held_out
        assert walks is not None
        tokens = torch.from_numpy(walks.tokens[:_SHEET]).long()
        clean = self._drawn(_float(walks.starts[:_SHEET, 0]), self.texts.states(tokens))[-1].cpu()
        latents = torch.cat([_float(walks.ends[:_SHEET, -1]), clean]) / self.vae.config.scaling_factor
        with torch.autocast("cpu", enabled=False):
            pictures = list(to_pixels(self.vae.decode(latents).sample))
        labels = [
            f"{self.teacher.steps} steps: {self.texts.text(_HELD_OUT_FROM + k)}" for k in range(len(tokens))
        ]
        labels += [f"{len(self.jumps.timesteps)} steps" for _ in tokens]
        return captioned(pictures, labels)

    def _errors(self, tokens: Tensor, starts: Tensor, ends: Tensor, numbers: Tensor) -> Tensor:
        device = next(self.module.parameters()).device
        starts, ends = starts.to(device), ends.to(device)
        self.texts.encoder.to(device)
        made = self._asked(starts, numbers, self.texts.states(tokens))
        return self.jumps.errors(starts, made, ends, numbers)

    def _asked(self, latents: Tensor, numbers: Tensor, states: Tensor) -> Tensor:
        timesteps = torch.from_numpy(self.jumps.timesteps)[numbers]
        made: Tensor = self.module(latents, timesteps.to(latents.device), states).sample.float()
        return made

    def _parts(self, count: int) -> list[slice]:
        """So many rows in parts of no more than are learned at once."""
        rows = max(1, self.settings.batch_size // self.settings.accumulation)
        return [slice(first, first + rows) for first in range(0, count, rows)]

    def _drawn(self, noise: Tensor, states: Tensor) -> list[Tensor]:
        """The latents that the student comes by, the noise first and the clean ones last."""
        parts = [self._walked(noise[rows], states[rows]) for rows in self._parts(len(noise))]
        return [torch.cat(each) for each in zip(*parts, strict=True)]

    def _walked(self, noise: Tensor, states: Tensor) -> list[Tensor]:
        device = next(self.module.parameters()).device
        found = [noise.to(device)]
        for k in range(len(self.jumps.timesteps)):
            numbers = torch.full((len(noise),), k)
            made = self._asked(found[-1], numbers, states.to(device))
            found.append(self.jumps.land(found[-1], made, numbers))
        return found

    def _own(self, step: int) -> Walks | None:
        """The student's walks for this step: those of its last rounds, None before the first."""
        number = step // self.settings.follow_every
        if not number:
            return None
        if self._followed is None or self._followed[0] != number:
            latest = range(max(1, number - _ROUNDS + 1), number + 1)
            self._followed = number, Walks.join([self._round(k) for k in latest])
        return self._followed[1]

    def _round(self, number: int) -> Walks:
        file = self.folder / f"followed-{number:06d}.npz"
        if not file.is_file():
            first = self.settings.walks + (number - 1) * self.settings.followed
            self.module.eval()
            self._walks(first, self.settings.followed, self._drawn).save(file)
            self.module.train()
        return Walks.read(file)

    @torch.no_grad()
    def _walks(self, first: int, count: int, drawn: Callable[[Tensor, Tensor], list[Tensor]] | None) -> Walks:
        """Walks number `first` and on: the teacher's own, or those that it has something to say of."""
        numbers = range(first, first + count)
        tokens = self.texts.tokens([self.texts.text(number) for number in numbers])
        states = self.texts.states(tokens)
        seeds = [(_SEEDS + self.settings.seed * 7_919 + number) % 2**32 for number in numbers]
        noise = np.concatenate([normal(seed, (1, *self._shape)) for seed in seeds])
        encoded = states.cpu().numpy()
        if drawn is None:
            nodes = self.teacher.whole(noise, encoded)
            starts, ends = nodes[:-1], nodes[1:]
        else:
            starts = [
                latents.float().cpu().numpy() for latents in drawn(torch.from_numpy(noise), states)[:-1]
            ]
            ends = [self.teacher.onward(latents, encoded, k) for k, latents in enumerate(starts)]
        halves = [np.stack(nodes, 1).astype(np.float16) for nodes in (starts, ends)]
        return Walks(tokens.numpy().astype(np.int32), *halves)


def _chosen(walks: Walks, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Tokens, starts, ends and numbers of `count` jumps, as many of each number as there can be."""
    jumps = walks.starts.shape[1]
    which = torch.randint(len(walks.tokens), (count,), generator=generator).numpy()
    numbers = (torch.arange(count) + int(torch.randint(jumps, (), generator=generator))) % jumps
    k = numbers.numpy()
    tokens = torch.from_numpy(walks.tokens[which]).long()
    return tokens, _float(walks.starts[which, k]), _float(walks.ends[which, k]), numbers


def _float(values: NDArray[np.float16]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
