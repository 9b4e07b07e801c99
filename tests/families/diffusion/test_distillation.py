"""Distillation: what a jump must predict, the teacher against the engine's program, learning, resuming, the result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from rich.progress import Progress
from safetensors.torch import load_file

from limner import api
from limner.engine.backends import backend
from limner.engine.noise import normal
from limner.engine.request import Call, DrawRequest
from limner.engine.samplers import SAMPLERS, Schedule
from limner.errors import Cancelled, InvalidInput
from limner.families.diffusion import distillation_stage
from limner.families.diffusion.distillation import check, distill, stage_of, write_student
from limner.families.diffusion.distillation_jumps import Jumps, few_step
from limner.families.diffusion.distillation_stage import DistillationStage
from limner.families.diffusion.distillation_teacher import Teacher, steps_for_each
from limner.families.diffusion.program import Diffusion
from limner.registry import Model, open_model
from limner.registry.manifest import Lineage, SamplerDefaults
from limner.training.distilling import Distillation
from limner.training.loop import Loop
from limner.training.sentences import Sentences
from tests.training.interrupting import press_ctrl_c

WORDS = Sentences(lambda number: ("a red apple", "a table", "an apple")[number % 3], "three", "three")
LINEAGE = Lineage(data="", data_hash="", recipe="", commit="", hardware="", hours=1.5, examples=0)


def settings(**changed: Any) -> Distillation:
    values = {
        "student_steps": 2, "walks": 6, "followed": 2, "follow_every": 3, "steps": 8, "batch_size": 8, "warmup": 1,
        "precision": "float32", "checkpoint_every": 2, "learning_rate": 2e-3,
    }  # fmt: skip
    return Distillation.model_validate(values | changed)


@pytest.fixture
def model(tiny_model: Path) -> Model:
    return open_model(tiny_model)


def prepared(model: Model, folder: Path, **changed: Any) -> DistillationStage:
    stage = stage_of(model, settings(**changed), WORDS, folder)
    stage.prepare(Progress(disable=True))
    return stage


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon", "sample"])
@pytest.mark.parametrize("steps", [1, 3, 4])
def test_jumps_land_where_the_sampler_does(prediction: Any, steps: int) -> None:
    schedule = Schedule(prediction_type=prediction, timestep_spacing="trailing", clip_sample=False)
    jumps, rng = Jumps.of(schedule, steps), torch.Generator().manual_seed(steps)
    latent = torch.randn(1, 4, 8, 8, generator=rng)
    sampling = SAMPLERS["ddim"](schedule, steps, latent.numpy())
    query = next(sampling)
    for k in range(steps):
        assert query.timestep == jumps.timesteps[k]
        made = torch.randn(latent.shape, generator=rng)
        latent = jumps.land(latent, made, torch.tensor([k]))
        try:
            query = sampling.send(made.numpy())
            reached = query.latent
        except StopIteration as end:
            reached = end.value
        np.testing.assert_allclose(latent.numpy(), reached, rtol=1e-4, atol=1e-4 * float(latent.abs().max()))


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon", "sample"])
def test_the_wanted_prediction_lands_on_the_target(prediction: Any) -> None:
    jumps = Jumps.of(Schedule(prediction_type=prediction), 4)
    start, target = torch.randn(4, 2, 3, 3), torch.randn(4, 2, 3, 3)
    numbers = torch.arange(4)
    wanted = jumps.wanted(start, target, numbers)
    torch.testing.assert_close(jumps.land(start, wanted, numbers), target, rtol=1e-3, atol=1e-3)
    assert float(jumps.errors(start, wanted, target, numbers).max()) < 1e-4


def test_the_wanted_velocity_in_closed_form() -> None:
    """With latents as points on a circle of signal and noise, v = (x cos - y) / sin of the angle between."""
    schedule = Schedule(prediction_type="v_prediction")
    jumps = Jumps.of(schedule, 4)
    angles = np.append(np.arccos(np.sqrt(schedule.alphas_cumprod[jumps.timesteps].astype(np.float64))), 0)
    turn = torch.from_numpy(angles[:-1] - angles[1:]).float().view(-1, 1, 1, 1)
    start, target = torch.randn(4, 2, 3, 3), torch.randn(4, 2, 3, 3)
    expected = (start * turn.cos() - target) / turn.sin()
    numbers = torch.arange(4)
    torch.testing.assert_close(jumps.wanted(start, target, numbers), expected, rtol=1e-3, atol=1e-3)
    made = torch.zeros_like(start)
    square = expected.square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(jumps.errors(start, made, target, numbers), square, rtol=1e-3, atol=1e-3)


def test_predicted_noise_says_nothing_where_there_is_no_signal() -> None:
    with pytest.raises(InvalidInput, match="no signal"):
        Jumps.of(Schedule(prediction_type="epsilon", rescale_betas_zero_snr=True), 4)


def test_the_scheduler_of_the_result_means_the_same_noise() -> None:
    schedule = Schedule(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    made = few_step(schedule)
    np.testing.assert_allclose(made.alphas_cumprod.numpy(), schedule.alphas_cumprod, rtol=1e-5)
    made.set_timesteps(4)
    assert made.timesteps.tolist() == Jumps.of(schedule, 4).timesteps.tolist() == [999, 749, 499, 249]


def teacher(model: Model, network: Any, defaults: SamplerDefaults, student: int) -> Teacher:
    schedule = Schedule.read(model.path / "scheduler" / "scheduler_config.json")
    return Teacher(network, schedule, defaults, np.zeros((16, 32), np.float32), student)


@pytest.mark.parametrize("sampler", ["ddim", "euler", "dpm++2m"])
def test_the_teacher_draws_what_the_program_draws(model: Model, sampler: Any) -> None:
    """Encodings of zeros for every text: then the program's last latent is the teacher's."""
    defaults = SamplerDefaults(sampler=sampler, steps=6, guidance_scale=3.0, guidance_interval=(0.0, 0.6))
    network = backend("openvino", threads=1).load(model, "unet")
    noise = np.concatenate([normal(seed, (1, 4, 8, 8)) for seed in (5, 6)])
    nodes = teacher(model, network, defaults, 3).whole(noise, np.ones((2, 16, 32), np.float32))
    program = Diffusion(model)
    program._schedule = program._schedule.model_copy(update={"timestep_spacing": "trailing"})
    told = {"steps": 6, "sampler": sampler, "guidance_scale": 3.0, "guidance_interval": (0.0, 0.6)}
    run = program.program(program.resolve(DrawRequest.model_validate({"prompt": "x", "seed": 6, **told})))
    calls, answer = [], None
    while True:
        event = run.send(answer)
        answer = None
        if isinstance(event, Call):
            calls.append(event)
            if event.graph == "vae_decoder":
                break
            if event.graph == "text_encoder":
                answer = {
                    "last_hidden_state": np.stack([np.zeros((16, 32)), np.ones((16, 32))]).astype(np.float32)
                }
            else:
                answer = network(event.inputs)
    latents = [call.inputs["sample"][:1] for call in calls[1:-1:2]] + [
        calls[-1].inputs["latent_sample"] * 0.5
    ]
    for node, latent in zip(nodes, latents, strict=True):
        np.testing.assert_allclose(node[1:], latent, atol=0.03)


@pytest.mark.parametrize("sampler", ["ddim", "euler"])
def test_the_teacher_goes_on_from_any_latent_as_if_it_had_come_there(model: Model, sampler: Any) -> None:
    network = backend("openvino", threads=1).load(model, "unet")
    drawer = teacher(model, network, SamplerDefaults(sampler=sampler, steps=6, guidance_scale=2.0), 3)
    states = np.ones((2, 16, 32), np.float32)
    nodes = drawer.whole(np.concatenate([normal(seed, (1, 4, 8, 8)) for seed in (1, 2)]), states)
    for k in range(3):
        np.testing.assert_allclose(drawer.onward(nodes[k], states, k), nodes[k + 1], atol=0.02)


def test_a_student_takes_at_most_half_the_steps(model: Model) -> None:
    assert [steps_for_each(20, student) for student in (1, 3, 4, 8, 10)] == [20, 7, 5, 2, 2]
    for student in (0, 11):
        with pytest.raises(InvalidInput, match="1 to 10"):
            steps_for_each(20, student)
    with pytest.raises(InvalidInput, match="takes 4 now, so allowed are 1 to 2"):
        check(model, settings(student_steps=3))


def test_learning_lowers_the_error_of_the_jumps(model: Model, tmp_path: Path) -> None:
    stage = prepared(model, tmp_path / "walks")
    before = stage.validate()
    Loop(stage, settings(steps=30, follow_every=100), 0, tmp_path / "run").run()
    after = stage.validate()
    assert after["mean"] < 0.95 * before["mean"]
    assert after["end"] < before["end"]


def test_no_more_rows_are_computed_at_once_than_are_learned_from(model: Model, tmp_path: Path) -> None:
    stage = prepared(model, tmp_path)
    with torch.no_grad():
        whole = stage.validate()
    stage.settings = settings(batch_size=2, accumulation=2)
    with patch.object(stage, "_asked", wraps=stage._asked) as asked, torch.no_grad():
        parts = stage.validate()
        stage.sheet()
    assert {len(call.args[0]) for call in asked.call_args_list} == {1}
    assert parts == pytest.approx(whole, rel=1e-4)


def test_examples_that_are_taken_one_by_one_are_in_turn_the_students_own(
    model: Model, tmp_path: Path
) -> None:
    stage = prepared(model, tmp_path)
    found = []
    for step in range(3, 6):  # of three steps on there are walks of its own
        with patch.object(distillation_stage, "_chosen", wraps=distillation_stage._chosen) as chosen:
            stage.loss(step, step, 1, torch.Generator().manual_seed(step))
        found.append([call.args[0] is stage._taught for call in chosen.call_args_list if call.args[1]])
    assert found == [[False], [True], [False]]


def test_followed_walks_are_the_students_own_steps_with_the_teachers_answers(
    model: Model, tmp_path: Path
) -> None:
    # In bfloat16 the teacher's answers depend on what else is in a call, by more than walks are rounded by.
    exact = replace(model, manifest=model.manifest.model_copy(update={"precision": "float32"}))
    stage = prepared(exact, tmp_path)
    with torch.no_grad():
        walks = stage._round(1)
    for k in range(2):
        start = torch.from_numpy(walks.starts[:, k].astype(np.float32))
        states = stage.texts.states(torch.from_numpy(walks.tokens).long())
        with torch.no_grad():
            made = stage.module(start, int(stage.jumps.timesteps[k]), states).sample
        reached = stage.jumps.land(start, made, torch.full((2,), k))
        if k == 0:
            np.testing.assert_allclose(reached.numpy(), walks.starts[:, 1], atol=0.02)
        answer = stage.teacher.onward(start.numpy(), states.numpy(), k)
        np.testing.assert_allclose(answer, walks.ends[:, k], atol=0.02)


def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepared(model, tmp_path / "whole")
    Loop(whole, settings(), 0, tmp_path / "whole-run").run()
    cut = prepared(model, tmp_path / "cut")
    loss = cut.loss

    def interrupted(step: int, *arguments: Any) -> Any:
        if step == 4:
            press_ctrl_c()
        return loss(step, *arguments)

    monkeypatch.setattr(cut, "loss", interrupted)
    with pytest.raises(Cancelled, match="saved at step 5 of 8"):
        Loop(cut, settings(), 0, tmp_path / "cut-run").run()
    again = prepared(model, tmp_path / "cut")
    Loop(again, settings(), 0, tmp_path / "cut-run").run(resume=True)
    for one, other in zip(whole.module.parameters(), again.module.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_result_draws_the_same_in_diffusers_and_in_the_engine(model: Model, tmp_path: Path) -> None:
    made = distill(model, settings(steps=2), WORDS, tmp_path, False, "quick", "3")
    told = made.manifest
    assert (told.name, told.version, told.precision) == ("quick", "3", "bfloat16")
    assert told.sampler == SamplerDefaults(sampler="ddim", steps=2, guidance_scale=1.0)
    assert told.lineage.parent == "tiny@1" and told.lineage.examples == 16
    pipeline = StableDiffusionPipeline.from_pretrained(made.path)
    assert isinstance(pipeline.scheduler, DDIMScheduler)
    pipeline.set_progress_bar_config(disable=True)
    drawn = pipeline(
        "a red apple",
        num_inference_steps=2,
        guidance_scale=1.0,
        generator=torch.Generator().manual_seed(4),
        output_type="np",
    ).images[0]
    with api.load(str(made.path), tmp_path / "data") as limner:
        ours = limner.draw("a red apple", seed=4)
    assert ours.request.steps == 2 and ours.request.guidance_scale == 1
    error = np.mean((np.asarray(ours.image) / 255 - drawn) ** 2)
    assert 10 * np.log10(1 / error) > 35
    other = load_file(model.path / "unet" / "diffusion_pytorch_model.safetensors")
    own = load_file(made.path / "unet" / "diffusion_pytorch_model.safetensors")
    assert own.keys() == other.keys() and any(not torch.equal(own[name], other[name]) for name in own)


def test_a_result_of_the_same_weights_predicts_the_same(model: Model, tmp_path: Path) -> None:
    student = stage_of(model, settings(), WORDS, tmp_path / "walks").module
    made = write_student(model, student, 2, tmp_path / "model", "same", "1", LINEAGE)
    for part in ("unet", "vae", "text_encoder"):
        for file in (model.path / part).glob("*.safetensors"):
            assert (made.path / part / file.name).read_bytes() == file.read_bytes()
    assert not (tmp_path / "model.partial").exists()
