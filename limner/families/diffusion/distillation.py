"""Distilling a diffusion model: a student with the teacher's weights learns to draw in few unguided steps.

What comes out is the teacher's own directory with other weights in its denoiser, a scheduler for few steps, and a
manifest that says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import CLIPTextModel, CLIPTokenizer

from ...engine.backends import backend
from ...engine.samplers import Schedule
from ...errors import InvalidInput
from ...registry.json_files import read_object
from ...registry.manifest import Lineage, SamplerDefaults
from ...registry.models import Model
from ...training.distilling import Distillation
from ...training.hardware import commit, hardware
from ...training.loop import Loop
from ...training.sentences import Sentences
from .derived import trained, write_model
from .distillation_jumps import Jumps, few_step
from .distillation_stage import DistillationStage, Texts
from .distillation_teacher import Teacher, steps_for_each
from .export import verify

console = Console()


def check(model: Model, settings: Distillation) -> None:
    """Raise InvalidInput where the model cannot be distilled so."""
    steps_for_each(model.manifest.stepping.steps, settings.student_steps)
    unet, vae = (read_object(model.path / part / "config.json") for part in ("unet", "vae"))
    if unet.get("in_channels", 4) != vae.get("latent_channels", 4):
        raise InvalidInput(
            f"the denoiser of '{model.name}' reads {unet.get('in_channels', 4)} channels where its autoencoder has "
            f"{vae.get('latent_channels', 4)}; only models that draw from text alone can be distilled"
        )


def distill(
    model: Model,
    settings: Distillation,
    sentences: Sentences,
    out: Path,
    resume: bool,
    name: str,
    version: str,
) -> Model:
    """Train a student of `model` in `out` and write it to `out`/model; what is finished there is not repeated."""
    stage = stage_of(model, settings, sentences, out / "walks")
    with _progress() as show:
        stage.prepare(show)
    loop = Loop(stage, settings, settings.seed, out / "distillation")
    loop.run(resume)
    given = model.manifest.lineage
    lineage = Lineage(
        data=f"its teacher's drawings of {sentences.about}",
        data_hash=sentences.hash,
        parent=f"{model.name}@{model.version}",
        recipe=settings.model_dump_json(),
        commit=commit(),
        hardware=hardware(),
        hours=round(given.hours + loop.seconds / 3600, 3),
        examples=given.examples + settings.steps * settings.batch_size,
        before=given.learned(),
    )
    return write_student(model, stage.module, settings.student_steps, out / "model", name, version, lineage)


def stage_of(model: Model, settings: Distillation, sentences: Sentences, folder: Path) -> DistillationStage:
    """The stage of a student that has learned nothing yet."""
    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True}
    encoder = CLIPTextModel.from_pretrained(model.path / "text_encoder", dtype=torch.float32, **options)
    texts = Texts(
        sentences.text,
        CLIPTokenizer.from_pretrained(model.path / "tokenizer"),
        encoder.eval().requires_grad_(False),
    )
    student = UNet2DConditionModel.from_pretrained(model.path / "unet", torch_dtype=torch.float32, **options)
    vae = AutoencoderKL.from_pretrained(model.path / "vae", torch_dtype=torch.float32, **options)
    if settings.gradient_checkpointing:
        student.enable_gradient_checkpointing()
    schedule = Schedule.read(model.path / "scheduler" / "scheduler_config.json")
    network = backend(threads=torch.get_num_threads()).load(model, "unet")
    empty = texts.states(texts.tokens([""]))[0].numpy()
    teacher = Teacher(network, schedule, model.manifest.stepping, empty, settings.student_steps)
    jumps = Jumps.of(schedule, settings.student_steps)
    return DistillationStage(
        settings, student, vae.eval().requires_grad_(False), texts, teacher, jumps, folder
    )


def write_student(
    parent: Model,
    student: UNet2DConditionModel,
    steps: int,
    folder: Path,
    name: str,
    version: str,
    lineage: Lineage,
) -> Model:
    """Write the directory of a student that draws in `steps` steps; LimnerError where a graph differs from torch."""
    told = parent.manifest
    manifest = told.model_copy(
        update={
            "name": name,
            "version": version,
            "title": f"{told.title} in {steps} {'step' if steps == 1 else 'steps'}",
            "precision": "bfloat16" if told.precision == "int8" else told.precision,
            "sampler": SamplerDefaults(sampler="ddim", steps=steps, guidance_scale=1.0),
            "lineage": lineage,
        }
    )
    schedule = Schedule.read(parent.path / "scheduler" / "scheduler_config.json")
    changed = trained(parent.path, {"unet": student})
    return write_model(parent, folder, changed, manifest, few_step(schedule), verify)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)
