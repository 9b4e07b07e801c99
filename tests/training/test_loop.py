"""The loop: resuming is exact, rates follow their curve, checkpoints are whole, Ctrl-C saves."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from limner.errors import Cancelled, InvalidInput, LimnerError, Unavailable
from limner.training import checkpoints
from limner.training.checkpoints import KEPT
from limner.training.loop import Loop
from limner.training.optimizers import learning_rate
from limner.training.recipe import Optimisation
from tests.training.interrupting import press_ctrl_c


class Line:
    """A stage that fits a line through noisy points, with dropout so that global randomness counts too."""

    name = "line"

    def __init__(self, stop_at: int | None = None) -> None:
        torch.manual_seed(3)
        self.module: nn.Module = nn.Sequential(nn.Linear(4, 16), nn.GELU(), nn.Dropout(0.3), nn.Linear(16, 1))
        self.stop_at = stop_at
        self.parts: list[tuple[int, int, int]] = []

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        if step == self.stop_at:
            self.stop_at = None  # once, of however many parts
            press_ctrl_c()
        self.parts.append((step, first, size))
        x = torch.randn(size, 4, generator=generator)
        return {"loss": (self.module(x) - x.sum(1, keepdim=True)).square().mean()}

    def validate(self) -> dict[str, float]:
        return {"weight": float(next(self.module.parameters()).detach().abs().mean())}

    def sheet(self) -> Image.Image:
        return Image.new("RGB", (2, 2))


def recipe(**changed: object) -> Optimisation:
    values = {
        "steps": 12, "batch_size": 8, "warmup": 2, "precision": "float32",
        "checkpoint_every": 5, "validate_every": 5, "sheet_every": 6,
    }  # fmt: skip
    return Optimisation.model_validate(values | changed)


def _weights(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = Line()
    Loop(whole, recipe(), 7, tmp_path / "whole").run()
    with pytest.raises(Cancelled, match="saved at step 8 of 12"):
        Loop(Line(stop_at=7), recipe(), 7, tmp_path / "cut").run()
    again = Line()
    Loop(again, recipe(), 7, tmp_path / "cut").run(resume=True)
    assert again.parts[0][0] == 8
    assert torch.equal(_weights(whole.module), _weights(again.module))


def test_ctrl_c_in_the_last_step_is_heard_when_that_is_saved(tmp_path: Path) -> None:
    with pytest.raises(Cancelled, match="saved at step 12 of 12"):
        Loop(Line(stop_at=11), recipe(), 7, tmp_path).run()
    whole, again = Line(), Line()
    Loop(whole, recipe(), 7, tmp_path / "whole").run()
    Loop(again, recipe(), 7, tmp_path).run(resume=True)
    assert not again.parts and torch.equal(_weights(whole.module), _weights(again.module))


@pytest.mark.parametrize(
    "changed", [{"optimizer": "adafactor"}, {"ema_decay": 0.0}, {"ema_on_cpu": True, "ema_decay": 0.9}]
)
def test_every_way_to_optimise_learns_and_resumes_exactly(tmp_path: Path, changed: dict[str, object]) -> None:
    how = recipe(learning_rate=1e-2, **changed)
    whole, again = Line(), Line()
    before = _weights(whole.module)
    Loop(whole, how, 7, tmp_path / "whole").run()
    with pytest.raises(Cancelled):
        Loop(Line(stop_at=7), how, 7, tmp_path / "cut").run()
    Loop(again, how, 7, tmp_path / "cut").run(resume=True)
    assert torch.equal(_weights(whole.module), _weights(again.module))
    assert not torch.equal(before, _weights(whole.module))


def test_without_an_average_the_last_weights_come_out(tmp_path: Path) -> None:
    """And one that lies in the CPU's memory is the one that lies beside the weights."""
    ends = {}
    for name, changed in (
        ("none", {"ema_decay": 0.0}),
        ("here", {"ema_decay": 0.9}),
        ("cpu", {"ema_decay": 0.9, "ema_on_cpu": True}),
    ):
        stage = Line()
        loop = Loop(stage, recipe(**changed), 7, tmp_path / name)
        loop.run()
        state = torch.load(tmp_path / name / "checkpoints" / "000000012" / "state.pt", weights_only=True)
        last = torch.cat([value.flatten() for value in state["module"].values()])
        assert torch.equal(last, _weights(stage.module)) == (name == "none")
        ends[name] = _weights(stage.module)
    assert torch.equal(ends["here"], ends["cpu"])


def test_a_checkpoint_leaves_out_what_is_frozen(tmp_path: Path) -> None:
    stage = Line()
    first: nn.Module = stage.module[0]  # type: ignore[index]
    first.requires_grad_(False)
    Loop(stage, recipe(validate_every=0, sheet_every=0), 7, tmp_path).run()
    state = torch.load(tmp_path / "checkpoints" / "000000012" / "state.pt", weights_only=True)
    assert set(state["module"]) == {"3.weight", "3.bias"}
    assert not (tmp_path / "sheets").exists() and not (tmp_path / "validation.log").exists()


def test_checkpoints_of_one_optimiser_keep_the_form_that_they_had(tmp_path: Path) -> None:
    Loop(Line(), recipe(validate_every=0, sheet_every=0), 7, tmp_path).run()
    state = torch.load(tmp_path / "checkpoints" / "000000012" / "state.pt", weights_only=True)
    assert state.keys() == {"module", "optimizer", "ema", "step", "parts", "seconds"}


def test_without_resume_it_starts_again(tmp_path: Path) -> None:
    Loop(Line(), recipe(), 7, tmp_path).run()
    second = Line()
    Loop(second, recipe(), 7, tmp_path).run()
    assert second.parts[0][0] == 0


def test_a_new_start_leaves_nothing_of_the_old_run_to_resume(tmp_path: Path) -> None:
    Loop(Line(), recipe(), 7, tmp_path).run()
    with pytest.raises(Cancelled):
        Loop(Line(stop_at=2), recipe(), 7, tmp_path).run()
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["000000003"]


def test_examples_follow_each_other_without_gap(tmp_path: Path) -> None:
    stage = Line()
    Loop(stage, recipe(accumulation=4), 7, tmp_path).run()
    places = [first for _, first, _ in stage.parts]
    assert places == list(range(0, 12 * 8, 2))


class Fixed(Line):
    """A line without dropout, through the same eight points whatever the parts."""

    def __init__(self) -> None:
        super().__init__()
        self.module = nn.Linear(4, 1)
        with torch.no_grad():
            for p in self.module.parameters():
                p.fill_(0.1)

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        batch = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        x = batch[first % 8 : first % 8 + size]
        return {"loss": (self.module(x) - x.sum(1, keepdim=True)).square().mean()}


def _momenta(folder: Path, step: int) -> Tensor:
    """What AdamW remembers of the gradients after a step: their moving average."""
    file = folder / "checkpoints" / f"{step:09d}" / "state.pt"
    state = torch.load(file, weights_only=True)["optimizer"]["state"]
    return torch.cat([state[at]["exp_avg"].flatten() for at in sorted(state)])


def test_accumulation_of_two_halves_equals_the_whole_batch(tmp_path: Path) -> None:
    """In the optimiser's memory too, for the size of a gradient does not show in the steps of AdamW."""
    one, two = Fixed(), Fixed()
    Loop(one, recipe(clip=1e6), 1, tmp_path / "one").run()
    Loop(two, recipe(accumulation=2, clip=1e6), 1, tmp_path / "two").run()
    assert torch.allclose(_weights(one.module), _weights(two.module), atol=1e-6)
    momenta = [_momenta(tmp_path / name, 12) for name in ("one", "two")]
    torch.testing.assert_close(momenta[0], momenta[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("clip", [0.05, 1e6])
def test_a_gradient_is_cut_to_its_greatest_length(tmp_path: Path, clip: float) -> None:
    again = Fixed()
    torch.autograd.backward(again.loss(0, 0, 8, torch.Generator())["loss"])
    gradient = torch.cat([p.grad.flatten() for p in again.module.parameters() if p.grad is not None])
    expected = gradient * min(1.0, clip / float(gradient.norm()))
    Loop(Fixed(), recipe(steps=1, clip=clip, beta1=0.9), 1, tmp_path).run()
    torch.testing.assert_close(_momenta(tmp_path, 1) / (1 - 0.9), expected, rtol=1e-4, atol=1e-6)


def test_the_newest_checkpoints_stay_and_are_whole(tmp_path: Path) -> None:
    Loop(Line(), recipe(steps=20, checkpoint_every=4), 0, tmp_path).run()
    kept = sorted(p.name for p in (tmp_path / "checkpoints").iterdir())
    assert kept == ["000000016", "000000020"] and len(kept) == KEPT
    assert (tmp_path / "sheets" / "0000006.png").exists()
    assert (tmp_path / "validation.log").read_text("utf-8").splitlines()[-1].startswith("step 20 ")


def test_a_stage_says_where_its_sheets_will_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Loop(Line(), recipe(steps=1, sheet_every=1), 0, Path("runs/mine/line")).run()
    told = capsys.readouterr().out
    assert "line: sample sheets in runs/mine/line/sheets" in told and Path("runs/mine/line/sheets").is_dir()
    Loop(Line(), recipe(steps=1, sheet_every=0), 0, Path("without")).run()
    assert "sheets" not in capsys.readouterr().out


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = Line()
    Loop(whole, recipe(steps=20, checkpoint_every=4), 0, tmp_path / "whole").run()
    Loop(Line(), recipe(steps=20, checkpoint_every=4), 0, tmp_path / "cut").run()
    newest, before = (
        tmp_path / "cut" / "checkpoints" / name / "state.pt" for name in ("000000020", "000000016")
    )
    newest.write_bytes(newest.read_bytes()[:-200])
    again = Line()
    Loop(again, recipe(steps=20, checkpoint_every=4), 0, tmp_path / "cut").run(resume=True)
    assert torch.equal(_weights(again.module), _weights(whole.module))
    assert "cannot be read; it is passed over" in " ".join(capsys.readouterr().out.split())
    for file in (newest, before):
        file.write_bytes(b"nothing")
    with pytest.raises(InvalidInput, match="can be read; start again with --anew"):
        Loop(Line(), recipe(steps=20, checkpoint_every=4), 0, tmp_path / "cut").run(resume=True)


def test_what_cannot_be_written_costs_nothing_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    checkpoints.write(tmp_path, 4, {"step": 4})
    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full)
        with pytest.raises(Unavailable, match="No space left on device; make room"):
            checkpoints.write(tmp_path, 8, {"step": 8})
    assert [path.name for path in tmp_path.iterdir()] == ["000000004"]
    newest = checkpoints.newest(tmp_path)
    assert newest is not None and newest[1] == {"step": 4}
    assert checkpoints.newest(tmp_path / "nowhere") is None


def test_the_rate_warms_up_and_falls_to_its_final_share() -> None:
    recipe = Optimisation(steps=1000, warmup=100, learning_rate=1e-2, final_rate=0.1)
    rates = [learning_rate(recipe, step) for step in range(1000)]
    assert rates[0] == pytest.approx(1e-4) and rates[99] == pytest.approx(1e-2)
    assert all(a >= b for a, b in pairwise(rates[100:]))
    assert learning_rate(recipe, 550) == pytest.approx(0.55e-2)
    assert learning_rate(recipe, 1000) == pytest.approx(1e-3)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
        MemoryError(),
    ],
)
def test_what_does_not_fit_in_memory_is_told_in_a_line(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> dict[str, float]:
        raise error

    stage = Line()
    monkeypatch.setattr(stage, "validate", full)
    with pytest.raises(LimnerError, match="line: step 5 does not fit in memory; lower batch_size") as caught:
        Loop(stage, recipe(), 0, tmp_path).run()
    assert "gradient_checkpointing" not in str(caught.value), "which this stage does not know"
    monkeypatch.setattr(stage, "validate", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Loop(stage, recipe(), 0, tmp_path).run()


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    class Broken(Line):
        def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
            return {"loss": next(self.module.parameters()).sum() * float("nan")}

    with pytest.raises(LimnerError, match=r"loss nan, .* at step 0; lower learning_rate"):
        Loop(Broken(), recipe(), 0, tmp_path).run()


def test_what_is_looked_at_seldom_is_still_looked_at_before_it_is_saved(tmp_path: Path) -> None:
    class Breaking(Line):
        def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
            found = super().loss(step, first, size, generator)["loss"]
            return {"loss": found * float("nan") if step >= 7 else found}

    loop = Loop(Breaking(), recipe(), 0, tmp_path)
    loop._read_every = 20  # as on a GPU
    with pytest.raises(LimnerError, match=r"loss nan, .* at step 9; lower learning_rate"):
        loop.run()
    assert loop.step == 10
    newest = checkpoints.newest(tmp_path / "checkpoints")
    assert newest is not None and newest[1]["step"] == 5
    assert all(torch.isfinite(value).all() for value in newest[1]["module"].values())
