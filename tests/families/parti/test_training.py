"""A whole recipe in small: both stages, resumed exactly, and a model that is drawn, shown and evaluated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from limner.cli.app import app
from limner.data.captioned import Item
from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.errors import Cancelled, InvalidInput
from limner.evaluation.run import evaluate
from limner.families.parti import training
from limner.families.parti.decoder_stage import DecoderStage, neighbours
from limner.families.parti.export import load_networks
from limner.families.parti.recipe import Training
from limner.families.parti.tokenizer_stage import TokenizerStage
from limner.families.parti.transformer_stage import TransformerStage
from limner.registry import Registry
from limner.registry.models import Model, open_model
from limner.training.recipe import read_recipe
from limner.training.run import train
from tests.training.interrupting import press_ctrl_c

from .tiny import RECIPE

RECIPES = Path(__file__).parents[3] / "recipes"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "small.toml").write_text(RECIPE, encoding="utf-8")
    train(folder / "small.toml", folder / "out", resume=False)
    return folder


def test_the_model_draws(run: Path, tmp_path: Path) -> None:
    model = open_model(run / "out" / "model")
    assert model.manifest.family == "parti" and model.manifest.lineage.examples == 16
    assert model.manifest.tokens is not None and model.manifest.tokens.top_k == 8
    studio = LocalStudio(Registry(tmp_path))
    picture = studio.draw(DrawRequest(prompt="a red apple", model=str(model.path), seed=1))
    studio.close()
    assert picture.pixels.shape == (32, 32, 3) and picture.request.steps == 4


def test_it_is_drawn_and_shown_by_the_same_commands(run: Path, tmp_path: Path) -> None:
    model, out = str(run / "out" / "model"), tmp_path / "apple.png"
    asked = ["draw", "a red apple", "--model", model, "-o", str(out), "--temperature", "0.9", "--top-k", "4"]
    result = CliRunner().invoke(app, [*asked, "--strip"])
    assert result.exit_code == 0, result.output
    with Image.open(out) as picture:
        assert picture.size == (32, 32)
        assert "Temperature: 0.9, Top k: 4" in picture.info["parameters"]
    with Image.open(tmp_path / "apple-strip.png") as strip:
        assert strip.size == (4 * 32, 32)
    shown = CliRunner().invoke(app, ["models", "show", model])
    assert "4 rows of tokens, guidance 1.5, temperature 1, the best 8" in shown.output


def test_it_has_a_card_with_its_round_trips(run: Path, tmp_path: Path) -> None:
    folder = evaluate(str(run / "out" / "model"), tmp_path / "card", 1, 1, tmp_path / "data")
    assert "token by token, guidance 1.5" in (folder / "card.html").read_text("utf-8")
    assert '"round_trip": {' in (folder / "card.json").read_text("utf-8")
    assert "has no autoencoder" not in (folder / "card.json").read_text("utf-8")


def test_the_folder_has_what_people_look_at(run: Path) -> None:
    kept = {
        "tokenizer": ["l1", "codes", "perplexity"],
        "decoder": ["l1", "l1_subjects"],
        "transformer": ["nats", "subjects", "right"],
    }
    for stage, names in kept.items():
        with Image.open(run / "out" / stage / "sheets" / "0000004.png") as page:
            assert page.width > 100
        line = (run / "out" / stage / "validation.log").read_text("utf-8").splitlines()[-1]
        assert all(name in line for name in names)


@pytest.mark.parametrize("stage", [TokenizerStage, DecoderStage, TransformerStage])
def test_each_stage_resumes_exactly(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: type[TokenizerStage | DecoderStage | TransformerStage],
) -> None:
    out, folder = tmp_path / "out", run / "out" / "pictures"
    whole = stage.loss

    def stopping(self: object, step: int, *rest: object) -> object:
        if step == 1:
            press_ctrl_c()
        return whole(self, step, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, pytest.raises(Cancelled, match=f"{stage.name}: saved at step 2"):
        patched.setattr(stage, "loss", stopping)
        train(run / "small.toml", out, resume=False, folder=folder)
    assert (out / "transformer").exists() == (stage is TransformerStage)  # until then its table may change
    with monkeypatch.context() as patched:  # what is exported is what was learned
        patched.setattr(training, "export", lambda out, *given, **more: out.mkdir())
        patched.setattr(training, "open_model", lambda path: SimpleNamespace(path=path))
        train(run / "small.toml", out, resume=True, folder=folder)
    for name in ("tokenizer", "decoder", "transformer"):
        state = Path(name) / "checkpoints" / "000000004" / "state.pt"
        first, again = (torch.load(f / state, weights_only=True) for f in (run / "out", out))
        assert all(torch.equal(first["module"][key], again["module"][key]) for key in first["module"])
        for mine, theirs in zip(first["ema"]["shadow_params"], again["ema"]["shadow_params"], strict=True):
            assert torch.equal(mine, theirs)


def test_the_decoder_learns_and_tokens_stay_what_they_were(run: Path) -> None:
    through = Path("checkpoints") / "000000004" / "state.pt"
    first = torch.load(run / "out" / "tokenizer" / through, weights_only=True)["ema"]["shadow_params"]
    tokenizer, _ = load_networks(run / "out" / "model")
    encoding = ("encoder", "narrow", "patches", "quantizer")
    for (name, now), then in zip(tokenizer.named_parameters(), first, strict=False):
        same = torch.equal(now, then.half().float())
        assert same == name.startswith(encoding), name


def test_neighbours_are_those_of_a_slow_search() -> None:
    directions = torch.nn.functional.normalize(
        torch.randn(24, 4, generator=torch.Generator().manual_seed(3)), dim=1
    )
    found = neighbours(directions)
    for k, row in enumerate(found.tolist()):
        apart = sorted((float((directions[j] - directions[k]).norm()), j) for j in range(24) if j != k)
        assert row == [j for _, j in apart[:8]]


def test_it_starts_from_no_model(run: Path, tmp_path: Path) -> None:
    parent: Model = open_model(run / "out" / "model")
    with pytest.raises(InvalidInput, match="starts from nothing; leave out --init"):
        train(run / "small.toml", tmp_path / "same", False, parent, run / "out" / "pictures")


def test_subjects_are_planned_only_of_pictures_with_masks(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(RECIPE, encoding="utf-8")
    plain = Item(tmp_path / "a.png", ("a thing",), None, {})
    with pytest.raises(
        InvalidInput, match=r"planned needs masks .* set planned = 0 in \[transformer\]"
    ) as raised:
        read_recipe(file).check_pictures([plain])
    assert raised.value.field == "transformer.planned"
    read_recipe(file).check_pictures([plain, replace(plain, mask=tmp_path / "m.png")])


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("size = 32", "size = 32\nheld_back = 0.1", "data.held_back"),
        ("convolutions = [4, 8, 8]", "convolutions = [4, 8]", "tokenizer.convolutions"),
        ("code_width = 4", "code_width = 4\npatch = 16", "tokenizer.convolutions"),
        ("heads = 2\nabove", "heads = 3\nabove", "transformer.heads"),
        ("above = 4", 'above = 4\npreset = "1B"', "transformer.preset"),
        ("text_tokens = 12", "text_tokens = 129", "transformer.text_tokens"),
    ],
)
def test_recipes_that_cannot_work_are_refused_by_name(tmp_path: Path, old: str, new: str, named: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(RECIPE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InvalidInput) as raised:
        read_recipe(file)
    assert named in str(raised.value)


def test_a_preset_says_the_widths_that_the_recipe_does_not(tmp_path: Path) -> None:
    file = tmp_path / "large.toml"
    before, _, after = RECIPE.partition("[transformer]")
    table, _, rest = after.partition("[model]")
    kept = "".join(
        f"{line}\n" for line in table.splitlines() if line.split(" ")[0] in ("steps", "batch_size")
    )
    file.write_text(
        f'{before}[transformer]\n{kept}preset = "3B"\nencoder_layers = 2\n[model]{rest}', encoding="utf-8"
    )
    recipe = read_recipe(file)
    assert isinstance(recipe, Training)
    shape = recipe.shape(300).transformer
    assert (shape.width, shape.heads, shape.decoder_layers, shape.encoder_layers) == (2048, 32, 36, 2)


@pytest.mark.parametrize("name", ["parti-scenes-cpu.toml", "parti-scenes-gpu.toml"])
def test_recipes_that_come_along_are_sound(name: str) -> None:
    recipe = read_recipe(RECIPES / name)
    assert isinstance(recipe, Training) and recipe.shape().image.side == 16
