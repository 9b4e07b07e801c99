import json
from pathlib import Path

import numpy as np
import pytest

from limner.engine.noise import normal
from limner.engine.samplers import SAMPLERS, Schedule
from limner.errors import InvalidInput, NotFound


def test_reading_what_another_scheduler_wrote(tmp_path: Path) -> None:
    path = tmp_path / "scheduler_config.json"
    path.write_text(
        json.dumps({"_class_name": "PNDMScheduler", "skip_prk_steps": True, "steps_offset": 1}),
        encoding="utf-8",
    )
    assert Schedule.read(path) == Schedule(steps_offset=1)


def test_an_unsupported_value_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "scheduler_config.json"
    path.write_text(json.dumps({"use_flow_sigmas": True}), encoding="utf-8")
    with pytest.raises(InvalidInput, match="use_flow_sigmas=True"):
        Schedule.read(path)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="scheduler_config"):
        Schedule.read(tmp_path / "scheduler_config.json")
    (tmp_path / "scheduler_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(InvalidInput, match="not JSON"):
        Schedule.read(tmp_path / "scheduler_config.json")


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [0, -1, 1000])
def test_steps_that_the_schedule_does_not_have(name: str, steps: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 999"):
        next(SAMPLERS[name](Schedule(), steps, normal(0, (1, 4, 2, 2))))


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [61, 103, 121, 122])
def test_trailing_steps_are_as_many_as_asked_for(name: str, steps: int) -> None:
    schedule = Schedule(timestep_spacing="trailing", prediction_type="sample")
    sampling = SAMPLERS[name](schedule, steps, normal(0, (1, 4, 2, 2)))
    query, timesteps = next(sampling), []
    with pytest.raises(StopIteration):
        while True:
            timesteps.append(query.timestep)
            query = sampling.send(np.zeros_like(query.latent))
    assert len(timesteps) == steps and timesteps[0] == 999 and timesteps[-1] > 0


def test_noise_prediction_at_zero_signal_is_an_error() -> None:
    schedule = Schedule(rescale_betas_zero_snr=True, timestep_spacing="trailing")
    sampling = SAMPLERS["ddim"](schedule, 5, normal(0, (1, 4, 2, 2)))
    query = next(sampling)
    with pytest.raises(InvalidInput, match="v_prediction"):
        sampling.send(query.latent)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_perfect_denoiser_is_followed_to_its_answer(name: str) -> None:
    # With the clean latent predicted everywhere, every sampler must end there.
    answer = normal(3, (1, 4, 2, 2))
    schedule = Schedule(prediction_type="sample", clip_sample=False)
    sampling = SAMPLERS[name](schedule, 12, normal(0, (1, 4, 2, 2)))
    next(sampling)
    with pytest.raises(StopIteration) as end:
        while True:
            sampling.send(answer)
    assert np.allclose(end.value.value, answer, atol=1e-6)
