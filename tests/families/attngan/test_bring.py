"""The original's files: renamed as the public code names its modules, refused with the list of what does not fit."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from limner.cli.app import app
from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.errors import InvalidInput, NotFound
from limner.families.attngan.bring import import_original
from limner.families.attngan.export import load_plans
from limner.families.attngan.original import read_weights
from limner.registry import Registry
from limner.registry.making import About
from limner.registry.models import Model

ABOUT = About("cub", "1", "CUB", "as its makers say", "netG.pth")
WORDS = ["<end>", "a", "bird", "crown", "has", "the", "yellow"]
GF, NEF, NCF, NZ, NINPUT = 4, 12, 6, 10, 8


def _conv(into: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(into, out, 3, 1, 1, bias=False)


def _up(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2), _conv(into, 2 * out), nn.BatchNorm2d(2 * out), nn.GLU(1)
    )


def _named(**parts: nn.Module) -> nn.Module:
    made = nn.Module()
    for name, part in parts.items():
        made.add_module(name, part)
    return made


def _residual(c: int) -> nn.Module:
    block = nn.Sequential(
        _conv(c, 2 * c), nn.BatchNorm2d(2 * c), nn.GLU(1), _conv(c, c), nn.BatchNorm2d(c)
    )  # fmt: skip
    return _named(block=block)


def _next() -> nn.Module:
    return _named(
        att=_named(conv_context=nn.Conv2d(NEF, GF, 1, bias=False)),
        residual=nn.Sequential(_residual(2 * GF), _residual(2 * GF)),
        upsample=_up(2 * GF, GF),
    )


def _original() -> tuple[nn.Module, nn.Module]:
    """Text encoder and generator with the modules that the paper's public code has, small: 16, 32 and 64 px."""
    torch.manual_seed(3)
    text = _named(
        encoder=nn.Embedding(len(WORDS), NINPUT),
        rnn=nn.LSTM(NINPUT, NEF // 2, 1, batch_first=True, bidirectional=True),
    )
    wide = 4 * GF
    first = _named(
        fc=nn.Sequential(nn.Linear(NZ + NCF, 32 * wide, bias=False), nn.BatchNorm1d(32 * wide), nn.GLU(1)),
        upsample1=_up(wide, wide // 2),
        upsample2=_up(wide // 2, wide // 4),
    )
    heads = {f"img_net{k}": _named(img=nn.Sequential(_conv(GF, 3), nn.Tanh())) for k in (1, 2, 3)}
    generator = _named(
        ca_net=_named(fc=nn.Linear(NEF, 4 * NCF)), h_net1=first, h_net2=_next(), h_net3=_next(), **heads
    )
    return text.eval(), generator.eval()


def _attend(stage: Any, state: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
    keys = stage.att.conv_context(words[..., None])[..., 0]
    share = torch.einsum("bchw,bct->bthw", state, keys).softmax(1)
    for_places = torch.einsum("bthw,bct->bchw", share, keys)
    inner = torch.cat([state, for_places], 1)
    for part in stage.residual:
        inner = inner + part.block(inner)
    return stage.upsample(inner), share


@torch.no_grad()
def _drawn(text: Any, generator: Any, ids: list[int], noise: Tensor) -> list[Tensor]:
    """What the original draws for one text, step by step."""
    states, (last, _) = text.rnn(text.encoder(torch.tensor([ids])))
    words, sentence = states.transpose(1, 2), last.transpose(0, 1).flatten(1)
    gated = nn.functional.glu(generator.ca_net.fc(sentence), 1)
    condition = gated[:, :NCF] + noise[:, NZ:] * (0.5 * gated[:, NCF:]).exp()
    first = generator.h_net1
    state = first.fc(torch.cat([condition, noise[:, :NZ]], 1)).view(1, 4 * GF, 4, 4)
    state = first.upsample2(first.upsample1(state))
    pictures = [generator.img_net1.img(state)]
    for stage, head in ((generator.h_net2, generator.img_net2), (generator.h_net3, generator.img_net3)):
        state, _ = _attend(stage, state, words)
        pictures.append(head.img(state))
    return pictures


def _write(folder: Path, **changed: Any) -> tuple[Path, Path, Path]:
    text, generator = _original()
    states = {"text": text.state_dict(), "generator": generator.state_dict()}
    for part in states:
        torch.save({**states[part], **changed.get(part, {})}, folder / f"{part}.pth")
    by_id = dict(enumerate(changed.get("words", WORDS)))
    captions = [[[1, 2]], [[2]], by_id, {word: number for number, word in by_id.items()}]
    (folder / "captions.pickle").write_bytes(pickle.dumps(captions, protocol=2))
    return folder / "text.pth", folder / "generator.pth", folder / "captions.pickle"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("original")
    return import_original(*_write(folder), folder / "models" / "cub" / "1", ABOUT)


def test_it_draws_what_the_original_draws(model: Model, tmp_path: Path) -> None:
    studio = LocalStudio(Registry(tmp_path))
    prompt = "The bird, unheard-of, has a yellow crown"
    drawn = studio.draw(DrawRequest(prompt=prompt, model=str(model.path), seed=5)).pixels
    small = studio.draw(DrawRequest(prompt=prompt, model=str(model.path), seed=5, width=16)).pixels
    studio.close()
    ids = [WORDS.index(word) for word in ("the", "bird", "has", "a", "yellow", "crown")]
    noise = torch.randn((1, NZ + NCF), generator=torch.Generator().manual_seed(5))
    pictures = _drawn(*_original(), ids, noise)
    for pixels, expected in ((drawn, pictures[-1]), (small, pictures[0])):
        levels = ((expected[0] + 1) * 127.5).permute(1, 2, 0).numpy()
        assert pixels.shape == levels.shape and np.abs(pixels - levels).max() <= 1


def test_weights_are_taken_as_they_are(model: Model) -> None:
    text, generator = (plan.network for plan in load_plans(model.path))
    theirs = _original()
    assert sum(p.numel() for p in generator.parameters()) == sum(p.numel() for p in theirs[1].parameters())
    assert torch.equal(
        text.state_dict()["network.embedding.weight"], theirs[0].state_dict()["encoder.weight"]
    )
    assert model.manifest.vocabulary == tuple(sorted(WORDS[1:])) and model.manifest.lineage.recipe == "import"


def test_weights_of_several_gpus_and_of_old_versions_are_read(tmp_path: Path) -> None:
    files = _write(tmp_path)
    old = torch.load(files[1], weights_only=True)
    old = {f"module.{key}": value for key, value in old.items() if not key.endswith("num_batches_tracked")}
    torch.save(old, files[1], _use_new_zipfile_serialization=False)
    assert read_weights(files[1]).keys() == {key.removeprefix("module.") for key in old}


def test_what_does_not_fit_is_listed_in_its_own_names(tmp_path: Path) -> None:
    wrong = {"h_net2.att.conv_context.weight": torch.zeros(GF, NEF, 3, 3), "h_net9.other": torch.zeros(1)}
    files = _write(tmp_path, generator=wrong)
    state = torch.load(files[1], weights_only=True)
    del state["img_net3.img.0.weight"], state["h_net3.upsample.2.running_mean"]
    state["img_net3.extra"] = torch.zeros(1)
    torch.save(state, files[1])
    with pytest.raises(InvalidInput) as raised:
        import_original(*files, tmp_path / "out", ABOUT)
    message = str(raised.value)
    assert "'h_net2.att.conv_context.weight' is [4, 12, 3, 3], not [4, 12, 1, 1]" in message
    assert "'h_net9.other' is not known" in message
    assert "'img_net3.img.0.weight' is missing" in message
    assert "'h_net3.upsample.2.running_mean' is missing" in message
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))


def test_files_in_the_wrong_order_are_told(tmp_path: Path) -> None:
    text, generator, captions = _write(tmp_path)
    with pytest.raises(InvalidInput, match="TEXT_ENCODER and GENERATOR in this order"):
        import_original(generator, text, captions, tmp_path / "out", ABOUT)


def test_captions_must_be_those_of_the_text_encoder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"has 8 words and .* was trained with 7"):
        import_original(*_write(tmp_path, words=[*WORDS, "zebra"]), tmp_path / "out", ABOUT)


def test_a_hostile_pickle_runs_nothing(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    files = _write(tmp_path)
    for at, named in (
        (0, "holds more than weights"),
        (1, "holds more than weights"),
        (2, "is refused"),
    ):
        good = files[at].read_bytes()
        torch.save({"a": Hostile()}, files[at]) if at < 2 else files[at].write_bytes(
            pickle.dumps([Hostile()])
        )
        with pytest.raises(InvalidInput, match=named):
            import_original(*files, tmp_path / "out", ABOUT)
        files[at].write_bytes(good)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content", [b"", b"not a pickle", pickle.dumps([1, 2]), pickle.dumps([[], [], {5: "a"}, {}])]
)
def test_other_files_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    files = _write(tmp_path)
    files[2].write_bytes(content)
    with pytest.raises(InvalidInput, match=r"captions\.pickle"):
        import_original(*files, tmp_path / "out", ABOUT)
    files[0].write_bytes(content)
    with pytest.raises(InvalidInput):
        import_original(files[0], files[1], files[2], tmp_path / "out", ABOUT)
    with pytest.raises(NotFound, match="none"):
        import_original(files[0], files[1], tmp_path / "none", tmp_path / "out", ABOUT)


def test_weights_that_end_early_are_refused_in_a_line(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "whole.pth", _use_new_zipfile_serialization=False)
    whole, cut = (tmp_path / "whole.pth").read_bytes(), tmp_path / "cut.pth"
    for length in range(0, len(whole), 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(InvalidInput, match=r"cut\.pth (is no file of torch's|holds more than weights)"):
            read_weights(cut)


def test_one_that_knows_other_words_is_made_warm_in_those(tmp_path: Path) -> None:
    words = ["<end>", "ein", "vogel", "krone", "hat", "der", "gelbe"]
    model = import_original(*_write(tmp_path, words=words), tmp_path / "vogel", ABOUT)
    studio = LocalStudio(Registry(tmp_path))
    studio.preload(str(model.path))
    studio.close()


def test_the_command_line_brings_it_in_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    files = [str(file) for file in _write(tmp_path)]
    brought = CliRunner().invoke(app, ["models", "import", "attngan", *files, "--name", "CUB birds"])
    assert brought.exit_code == 0, brought.output
    assert "cub-birds@1 is ready and knows 6 words" in brought.stdout
    shown = CliRunner().invoke(app, ["models", "show", "cub-birds"])
    assert shown.exit_code == 0 and "one step" in shown.stdout and "64 x 64" in shown.stdout
    drawn = CliRunner().invoke(
        app, ["draw", "a bird", "--model", "cub-birds", "--seed", "1", "-o", "bird.png"]
    )
    assert drawn.exit_code == 0, drawn.output
    with Image.open("bird.png") as picture:
        assert picture.size == (64, 64) and "Steps: 1, Seed: 1" in picture.info["parameters"]
    again = CliRunner().invoke(app, ["models", "import", "attngan", *files, "--name", "cub-birds"])
    assert again.exit_code == 2 and "is there already" in again.stderr
