"""FID by torchmetrics, with means of colours in Inception's place: what it is given, how many, and its floor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from limner.engine.studio import LocalStudio
from limner.errors import InvalidInput
from limner.evaluation import standard
from limner.evaluation.card import Card
from limner.evaluation.comparing import compare
from limner.evaluation.distances import frechet
from limner.evaluation.run import evaluate
from limner.evaluation.standard import standard_fid

fid = pytest.importorskip("torchmetrics.image.fid")


class Colours(torch.nn.Module):
    """The mean colour of each picture."""

    num_features = 3

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        assert batch.dtype == torch.uint8 and batch.shape[1] == 3 and batch.shape[2] == batch.shape[3]
        self.batches.append(len(batch))
        return batch.double().mean((2, 3))


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands for Inception's weights."""
    file, metric = tmp_path / "inception.pth", fid.FrechetInceptionDistance
    file.write_bytes(b"Inception")

    def stands_in(features: int, *, feature_extractor_weights_path: str, **more: Any) -> Any:
        assert (features, feature_extractor_weights_path) == (2048, str(file))
        return metric(Colours(), **more)

    monkeypatch.setattr(standard, "_NEEDED", ())
    monkeypatch.setattr(fid, "FrechetInceptionDistance", stands_in)
    return file


def test_as_many_of_each_are_compared_and_true_ones_with_true_ones(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    stand_in: Callable[..., Any] = fid.FrechetInceptionDistance

    def noted(*given: Any, **more: Any) -> Any:
        made.append(stand_in(*given, **more))
        return made[0]

    monkeypatch.setattr(fid, "FrechetInceptionDistance", noted)
    rng = np.random.default_rng(0)
    drawn, real, more = (
        [rng.integers(low, 256, (8, 8, 3), np.uint8) for _ in range(count)]
        for low, count in ((100, 60), (0, 40), (0, 50))
    )
    score = standard_fid(drawn, real, more, weights, "some@1", "data")
    assert (score.n, made[0].inception.batches) == (40, [32, 8] * 3), "what is true is looked at once"

    def colours(pictures: list[Any]) -> Any:
        places = np.linspace(0, len(pictures) - 1, 40).astype(int)
        return np.array([pictures[k].mean((0, 1)) for k in places])

    floor = score.beside["true against true"]
    assert score.value == pytest.approx(frechet(colours(drawn), colours(real)), rel=1e-3)
    assert floor == pytest.approx(frechet(colours(more), colours(real)), rel=1e-3)
    assert floor < score.value / 10


def test_another_file_than_inceptions_is_named_before_anything_is_drawn(
    weights: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any, **more: Any) -> Any:
        raise RuntimeError("Error(s) in loading state_dict\nMissing key(s)")

    monkeypatch.setattr(fid, "FrechetInceptionDistance", broken)
    monkeypatch.setattr(LocalStudio, "preload", lambda *given: pytest.fail("something is drawn"))
    with pytest.raises(
        InvalidInput, match=r"inception\.pth' is not .* file: Error\(s\) in loading state_dict$"
    ):
        evaluate(str(tiny_model), tmp_path / "out", data_dir=tmp_path, data="birds", inception=weights)


def test_models_are_compared_by_fid_where_there_is_no_matcher(
    weights: Path, tiny_model: Path, tiny_attngan: Path, tmp_path: Path
) -> None:
    models = [str(tiny_model), str(tiny_attngan)]
    for count, ids in ((8, ["fid"]), (1, [])):
        folder = compare(
            models, tmp_path / "out", seeds=1, count=count, data_dir=tmp_path, data="birds", inception=weights
        )
        for name in ("tiny-1", "tiny-attngan-1"):
            card = Card.read(folder / name)
            assert [score.id for score in card.scores] == ids and "scores" in card.missing
            assert all(score.n == 16 and set(score.beside) == {"true against true"} for score in card.scores)
            assert ids or card.missing["fid"] == "needs 16 pictures of each kind, and there are 2"
        text = (folder / "compare.html").read_text("utf-8")
        assert ("<td>FID</td>" in text) == bool(ids)
