"""Choosing: what is fair wins by its speed, and the model's directory says so."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from limner.cli.app import app
from limner.engine.backends import Choice as Drawer
from limner.engine.backends.int8 import Table, table_of
from limner.errors import InvalidInput, NotFound, Unavailable
from limner.optimizing import choosing
from limner.optimizing.measuring import psnr
from limner.registry import Registry
from limner.registry.choices import Choice, Choices
from limner.registry.models import BUILT_IN, Model, open_model
from limner.storybook.worlds import world


def choice(precision: str, seconds: float, statements: float | None, near: float | None) -> Choice:
    return Choice.model_validate(
        {
            "precision": precision,
            "guidance_interval": (0.0, 1.0),
            "seconds": seconds,
            "statements": statements,
            "psnr": near,
        }
    )


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        ([(2.0, 0.70, None), (1.5, 0.695, 40), (1.0, 0.691, 30)], 2),
        ([(2.0, 0.70, None), (1.5, 0.695, 40), (1.0, 0.689, 30)], 1),
        ([(2.0, 0.70, None), (1.5, 0.60, 40), (1.0, 0.50, 30)], 0),
        ([(2.0, None, None), (1.5, None, 40.0), (1.0, None, 12.0)], 1),
        ([(1.0, None, None), (1.5, None, 40.0)], 0),
    ],
)
def test_the_fastest_wins_that_costs_no_more_than_it_may(
    rows: list[tuple[float, float | None, float | None]], best: int
) -> None:
    made = [choice("float32" if k == 0 else "int8", *row) for k, row in enumerate(rows)]
    assert choosing._best(made) is made[best]


def test_scenes_say_nothing_of_a_model_that_was_tuned_on_other_pictures() -> None:
    built_in = open_model(BUILT_IN / "storybook")
    assert choosing._checker(built_in) is world("scenes")
    recipe = json.dumps({"data": {"folder": "/mine", "held_out": 0.1}})
    lineage = built_in.manifest.lineage.model_copy(update={"recipe": recipe})
    tuned = replace(built_in, manifest=built_in.manifest.model_copy(update={"lineage": lineage}))
    assert choosing._checker(tuned) is None


def test_psnr_is_that_of_the_definition() -> None:
    black, grey = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 16, np.uint8)
    assert psnr([black], [grey]) == pytest.approx(20 * np.log10(255 / 16))
    assert psnr([black, black], [black, grey]) == pytest.approx((100 + 20 * np.log10(255 / 16)) / 2)


def test_a_model_is_optimized_from_the_command_line(tiny_model: Path, tmp_path: Path) -> None:
    """The tiny model knows few of Storybook's words, so that no checker can tell: pictures are compared."""
    pytest.importorskip("nncf")
    shutil.copytree(tiny_model, tmp_path / "m")
    done = CliRunner().invoke(
        app, ["optimize", str(tmp_path / "m"), "--prompts", "2", "--data-dir", str(tmp_path / "data")]
    )
    assert done.exit_code == 0, done.output
    model = open_model(tmp_path / "m")
    choices = Choices.read(model.path)
    assert choices is not None and [(row.precision, row.feature_reuse) for row in choices.rows[:3]] == [
        ("float32", 1),
        ("bfloat16", 1),
        ("int8", 1),
    ]
    assert [row.feature_reuse for row in choices.rows[3:]] == list(choosing.REUSES)
    (chosen,) = [row for row in choices.rows if row.chosen]
    assert model.manifest.precision == chosen.precision
    assert model.manifest.stepping.feature_reuse == chosen.feature_reuse
    assert all(row.psnr is None or row.psnr > choosing.NEAR for row in choices.rows[:3]), "tiny, yet near"
    assert len(Table.read(table_of(model.graph_file("unet"))).weights) > 10
    assert "chosen" in done.output and "tiny@1" in done.output
    assert done.output.rstrip().endswith(f"card: {model.path / 'card.html'}")
    assert table_of(model.graph_file("vae_decoder")).name == "decoder.int8.json"
    assert not list((tmp_path / "data" / "cache").iterdir()), (
        "what was compiled of ways that were tried is gone"
    )
    page = (model.path / "card.html").read_text("utf-8")
    assert page.count("Ways to draw") == 1 and page.count("chosen") == 1 and "Not evaluated" in page


def test_the_least_memory_wins_on_the_edge(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nncf")
    for tables in ("_make_table", "round_decoder"):  # of no account here, and slow
        monkeypatch.setattr(choosing, tables, lambda *arguments: None)
    shutil.copytree(tiny_model, tmp_path / "m")
    model, choices = choosing.optimize(open_model(tmp_path / "m"), tmp_path / "data", 1, target="edge")
    held = [row.memory or 0 for row in choices.rows]
    (chosen,) = [row for row in choices.rows if row.chosen]
    assert all(50 < memory < 2000 for memory in held) and (chosen.memory or 0) <= min(held) * choosing._LIKE
    assert choices.target == "edge" and model.manifest.precision == chosen.precision
    assert f"{chosen.memory:,}" in (model.path / "card.html").read_text("utf-8")


def test_of_ways_with_as_much_memory_the_fastest_wins() -> None:
    made = [choice("int8", seconds, None, 30.0) for seconds in (3.0, 2.0, 1.0)]
    rows = [
        row.model_copy(update={"memory": memory})
        for row, memory in zip(made, (1000, 1010, 1100), strict=True)
    ]
    assert choosing._smallest(rows) is rows[1]


@pytest.mark.parametrize("built_in", [True, False])
def test_what_is_stopped_leaves_no_trace(
    built_in: bool, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while a table that nobody has measured yet lies in the model; and a run that was killed a day before."""
    pytest.importorskip("nncf")
    killed, at_work = (tmp_path / "data" / "cache" / name for name in ("optimizing-a", "optimizing-b"))
    for folder in (killed, at_work):
        folder.mkdir(parents=True)
    os.utime(killed, (0, 0))
    shutil.copytree(tiny_model, tmp_path / "m")
    before = {path: path.read_bytes() for path in (tmp_path / "m").rglob("*") if path.is_file()}
    tables = []

    def stopped(model: Model, *rest: object) -> None:
        tables.append(table_of(model.graph_file("unet")).is_file())
        raise KeyboardInterrupt

    monkeypatch.setattr(choosing, "draw_with", stopped)
    with pytest.raises(KeyboardInterrupt):
        choosing.optimize(open_model(tmp_path / "m", built_in), tmp_path / "data", 1)
    assert tables == [True]
    assert {path: path.read_bytes() for path in (tmp_path / "m").rglob("*") if path.is_file()} == before
    assert not list((tmp_path / "data").glob("models/*/.*"))
    assert list((tmp_path / "data" / "cache").iterdir()) == [at_work]


def test_a_built_in_model_is_copied_first(tiny_model: Path, tmp_path: Path) -> None:
    model = open_model(tiny_model, built_in=True)
    own = choosing._own(model, tmp_path, "cpu")
    assert (own.version, own.built_in) == ("1-cpu", False) and own.path != model.path
    assert open_model(tiny_model).manifest.version == "1"
    with pytest.raises(NotFound):
        Registry(tmp_path).find("tiny")  # not before it is finished


def test_on_a_gpu_the_precision_stays_and_the_use_of_features_is_chosen(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the processor in its place."""
    monkeypatch.setattr(choosing, "gpus", lambda: 1)
    monkeypatch.setattr(choosing, "chosen", lambda name: Drawer("torch", "cpu", "it is told so here"))
    shutil.copytree(tiny_model, tmp_path / "m")
    rounded = open_model(tmp_path / "m").manifest.model_copy(update={"precision": "int8"})
    rounded.write(tmp_path / "m")
    model, choices = choosing.optimize(open_model(tmp_path / "m"), tmp_path / "data", 1, target="gpu")
    assert [(row.precision, row.feature_reuse) for row in choices.rows] == [
        ("float32", 1), *(("bfloat16", reuse) for reuse in (1, *choosing.REUSES)),
    ]  # fmt: skip
    (best,) = [row for row in choices.rows if row.chosen]
    assert best.precision == "bfloat16" and choices.target == "gpu"
    assert model.manifest.precision == "int8", "for where there is no GPU"
    assert model.manifest.stepping.feature_reuse == best.feature_reuse
    assert not table_of(model.graph_file("unet")).exists()


def test_what_cannot_be_measured_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="known: cpu, edge, gpu"):
        choosing.check_target("toaster")
    monkeypatch.setattr(choosing, "gpus", lambda: 0)
    with pytest.raises(Unavailable, match=r"no GPU was found; .* --for cpu"):
        choosing.check_target("gpu")


def test_broken_choices_are_named(tmp_path: Path) -> None:
    assert Choices.read(tmp_path) is None
    (tmp_path / "choices.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidInput, match="limner optimize"):
        Choices.read(tmp_path)
