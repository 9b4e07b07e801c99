"""A matcher at work: what it takes, what it refuses, its graphs, and CLIP checkpoints in its place."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from limner.errors import InvalidInput, LimnerError, NotFound
from limner.evaluation.asking import asked
from limner.evaluation.lineage import Past
from limner.evaluation.material import Sentences
from limner.evaluation.scoring import Scorer
from limner.families.matcher.export import load_plans
from limner.families.matcher.loss import contrastive
from limner.families.matcher.matcher import Matcher, open_matcher, rerank
from limner.families.matcher.opening import named_matcher, typed_here
from limner.families.matcher.shape import Shape
from limner.families.plans import verify_plans
from limner.registry import Registry
from limner.registry.models import open_model
from limner.storybook.worlds import Prompt

ROOT = Path(__file__).parents[3]


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_its_graphs_are_its_networks(tiny_matcher: Path) -> None:
    found = verify_plans(tiny_matcher, load_plans(tiny_matcher))
    assert {one.graph for one in found} == {"image_encoder", "text_encoder"} and max(
        p.error for p in found
    ) < 1e-3


def test_it_works_without_torch(tiny_matcher: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from limner.families.matcher.matcher import open_matcher\n"
        "from limner.registry.models import open_model\nfrom pathlib import Path\n"
        f"m = open_matcher(open_model(Path({str(tiny_matcher)!r})))\n"
        "m.score(np.zeros((2, 50, 40, 3), np.uint8), ['a cat', 'a dog'])\n"
        "assert not {'torch', 'transformers'} & {n.split('.')[0] for n in sys.modules}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr[-1500:]


def test_vectors_have_length_one_and_depend_on_nobody_else(tiny_matcher: Path) -> None:
    matcher = open_matcher(open_model(tiny_matcher))
    pictures = noise(35, 48, 32, 3)
    told: list[int] = []
    every = matcher.embed_pictures(pictures, told.append)
    assert told == [32, 35] and every.shape == (35, 16) and every.dtype == np.float32
    assert np.allclose(np.linalg.norm(every, axis=1), 1, atol=1e-5)
    assert np.allclose(matcher.embed_pictures(pictures[34:]), every[34:], atol=1e-5)
    texts = ["a cat", "two red dogs by the sea", "", "word " * 100]
    vectors = matcher.embed_texts(texts)
    assert np.allclose(matcher.embed_texts(texts[1:2]), vectors[1:2], atol=1e-5)
    assert matcher.embed_pictures([]).shape[0] == matcher.embed_texts([]).shape[0] == 0
    assert np.allclose(matcher.score(pictures[:4], texts), (every[:4] * vectors).sum(1), atol=1e-5)


def test_a_picture_is_cut_to_its_middle_square(tiny_matcher: Path) -> None:
    matcher = open_matcher(open_model(tiny_matcher))
    wide = noise(32, 48, 3)
    assert np.allclose(matcher.embed_pictures([wide]), matcher.embed_pictures([wide[:, 8:40]]), atol=1e-6)


def test_the_best_of_several_is_that_with_the_highest_score(tiny_matcher: Path) -> None:
    matcher = open_matcher(open_model(tiny_matcher))
    pictures = list(noise(6, 32, 32, 3))
    scores = matcher.score(pictures, ["a red apple"] * 6)
    assert rerank(matcher, "a red apple", pictures) == int(scores.argmax())
    with pytest.raises(InvalidInput, match="no picture to choose from"):
        rerank(matcher, "a red apple", [])


@pytest.mark.parametrize(
    "picture", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3))]
)
def test_what_is_no_picture_is_refused(tiny_matcher: Path, picture: NDArray[Any]) -> None:
    with pytest.raises(InvalidInput, match=r"must be uint8 \(H, W, 3\)"):
        open_matcher(open_model(tiny_matcher)).embed_pictures([picture])


def test_broken_weights_are_said_to_be_broken() -> None:
    class Broken:
        def pictures(self, batch: object) -> NDArray[np.float32]:
            return np.array([[np.nan, 1]], np.float32)

        def texts(self, batch: object) -> NDArray[np.float32]:
            return np.zeros((1, 2), np.float32)

    matcher = Matcher("broken", "", 8, 1.0, Broken())
    broken = "matcher 'broken' gave values that are not finite"
    with pytest.raises(LimnerError, match=broken):
        matcher.embed_pictures([noise(8, 8, 3)])
    with pytest.raises(LimnerError, match=broken):
        matcher.embed_texts(["a"])


def test_a_model_that_draws_is_no_matcher(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="model 'tiny' is of family diffusion, which draws"):
        named_matcher(Registry(tmp_path), str(tiny_model))
    with pytest.raises(NotFound, match="model 'nobody' not found"):
        named_matcher(Registry(tmp_path), "nobody")


@pytest.mark.parametrize(("key", "value"), [("heads", 3), ("side", 30), ("channels", []), ("scale", -1)])
def test_a_shape_that_cannot_be_names_the_key(
    tiny_matcher: Path, tmp_path: Path, key: str, value: object
) -> None:
    said = json.loads((tiny_matcher / "matcher.json").read_text("utf-8")) | {key: value}
    (tmp_path / "matcher.json").write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"matcher\.json: "):
        Shape.read(tmp_path)
    with pytest.raises(NotFound, match="how wide the towers are"):
        Shape.read(tmp_path / "nowhere")


def test_the_loss_is_the_slow_obvious_one() -> None:
    torch.manual_seed(0)
    pictures, texts, wrong = (torch.nn.functional.normalize(torch.randn(n, 5), dim=1) for n in (4, 4, 3))
    same = torch.zeros(4, 7, dtype=torch.bool)
    same[0, 0] = same[1, 1] = same[2, 2] = same[3, 3] = True
    same[0, 2] = same[2, 0] = same[1, 5] = True
    found = contrastive(pictures, texts, torch.tensor(3.0), same, wrong)
    by_picture = by_text = 0.0
    every = torch.cat([texts, wrong])
    for i in range(4):
        row = [3 * float(pictures[i] @ every[j]) for j in range(7) if i == j or not same[i, j]]
        by_picture -= (3 * float(pictures[i] @ texts[i]) - np.log(np.exp(row).sum())) / 4
        column = [3 * float(pictures[j] @ texts[i]) for j in range(4) if i == j or not same[j, i]]
        by_text -= (3 * float(pictures[i] @ texts[i]) - np.log(np.exp(column).sum())) / 4
    assert float(found["by_picture"]) == pytest.approx(by_picture, rel=1e-5)
    assert float(found["by_text"]) == pytest.approx(by_text, rel=1e-5)
    assert float(found["loss"]) == pytest.approx((by_picture + by_text) / 2, rel=1e-5)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP checkpoint as transformers writes one."""
    from transformers import CLIPConfig, CLIPModel

    from limner.families.diffusion.vocabulary import learn_tokenizer

    folder = tmp_path_factory.mktemp("clip") / "tiny-clip"
    tokenizer = learn_tokenizer(["a red cat", "two dogs"], 600, 16)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {"vocab_size": 700, "max_position_embeddings": 16, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(2)
    config = CLIPConfig(
        text_config=small | text, vision_config=small | {"image_size": 32, "patch_size": 8}, projection_dim=12
    )
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}), encoding="utf-8"
    )
    return folder


def test_a_clip_checkpoint_takes_its_place(clip: Path, tmp_path: Path) -> None:
    from transformers import CLIPModel, CLIPTokenizer

    matcher = named_matcher(Registry(tmp_path), str(clip))
    assert matcher.clip and matcher.side == 32 and matcher.name == "CLIP tiny-clip"
    picture, texts = noise(48, 64, 3), ["a red cat", "two dogs and a very long story of what they did"]
    square = Image.fromarray(picture[:, 8:56]).resize((32, 32), Image.Resampling.BICUBIC)
    pixels = (np.asarray(square, np.float32) / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4]
    rows = CLIPTokenizer.from_pretrained(clip)(
        texts, padding=True, truncation=True, max_length=16, return_tensors="pt"
    )
    with torch.no_grad():
        model = CLIPModel.from_pretrained(clip).eval()
        out = model(**rows, pixel_values=torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1)[None])
    assert np.allclose(matcher.embed_pictures([picture]), out.image_embeds.numpy(), atol=1e-5)
    assert np.allclose(matcher.embed_texts(texts), out.text_embeds.numpy(), atol=1e-5)
    logits = matcher.scale * matcher.embed_pictures([picture]) @ matcher.embed_texts(texts).T
    assert np.allclose(logits, out.logits_per_image.numpy(), atol=1e-3)


def test_a_clip_checkpoint_that_lacks_something_is_refused_by_name(clip: Path, tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    partial = tmp_path / "partial"
    partial.mkdir()
    (partial / "config.json").write_bytes((clip / "config.json").read_bytes())
    with pytest.raises(NotFound, match=r"model\.safetensors' not found"):
        named_matcher(registry, str(partial))
    (partial / "model.safetensors").write_bytes((clip / "model.safetensors").read_bytes())
    with pytest.raises(NotFound, match="has no tokenizer"):
        named_matcher(registry, str(partial))
    (partial / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidInput, match="cannot be read"):
        named_matcher(registry, str(partial))


def test_a_clip_checkpoint_in_parts_is_the_same_and_each_of_its_files_counts(
    clip: Path, tmp_path: Path
) -> None:
    from transformers import CLIPModel

    parts = shutil.copytree(clip, tmp_path / "parts")
    (parts / "model.safetensors").unlink()
    CLIPModel.from_pretrained(clip).save_pretrained(parts, max_shard_size="20KB")
    assert not (parts / "model.safetensors").is_file() and len(list(parts.glob("*.safetensors"))) > 1
    registry, picture = Registry(tmp_path), noise(48, 64, 3)
    whole, same = (named_matcher(registry, str(each)) for each in (clip, parts))
    assert np.allclose(whole.embed_pictures([picture]), same.embed_pictures([picture]), atol=1e-6)
    other = shutil.copytree(clip, tmp_path / "other")
    (other / "preprocessor_config.json").unlink()
    assert named_matcher(registry, str(other)).hash != whole.hash


@pytest.mark.parametrize("wrong", ["one is gone", "all are called otherwise"])
def test_a_clip_checkpoint_that_lacks_weights_is_not_filled_up_at_random(
    clip: Path, tmp_path: Path, wrong: str
) -> None:
    from safetensors.torch import load_file, save_file

    partial = shutil.copytree(clip, tmp_path / "partial")
    weights = load_file(clip / "model.safetensors")
    if wrong == "one is gone":
        del weights["visual_projection.weight"]
        message = (
            r"partial/model\.safetensors' lacks 1 of the weights .*, such as 'visual_projection\.weight'"
        )
    else:
        weights = {f"module.{name}": value for name, value in weights.items()}
        message = r"lacks \d\d of the weights of a CLIP, such as 'logit_scale'"
    save_file(weights, partial / "model.safetensors", {"format": "pt"})
    with pytest.raises(InvalidInput, match=message):
        named_matcher(Registry(tmp_path), str(partial))


def test_a_clip_checkpoint_of_half_the_bits_is_computed_in_all_of_them(clip: Path, tmp_path: Path) -> None:
    from transformers import CLIPModel

    half = shutil.copytree(clip, tmp_path / "half")
    CLIPModel.from_pretrained(clip, dtype=torch.bfloat16).save_pretrained(half)
    assert json.loads((half / "config.json").read_text("utf-8"))["dtype"] == "bfloat16"
    pictures, texts = noise(2, 32, 32, 3), ["a red cat", "two dogs"]
    whole, found = (
        named_matcher(Registry(tmp_path), str(folder)).score(pictures, texts) for folder in (clip, half)
    )
    assert np.allclose(whole, found, atol=0.02)


def test_a_clip_checkpoint_in_the_current_folder_goes_by_its_name(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clip.parent)
    assert named_matcher(Registry(tmp_path), typed_here("tiny-clip")).clip
    with pytest.raises(NotFound):
        named_matcher(Registry(tmp_path), "tiny-clip")


def test_the_clip_score_is_that_of_torchmetrics(clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("torchmetrics")
    from torchmetrics.functional.multimodal import clip_score
    from transformers import CLIPModel, CLIPTokenizer

    class AsTorchmetricsAsks:
        """The checkpoint as torchmetrics reads one; since transformers 5 towers answer with more than a tensor."""

        def __init__(self) -> None:
            self.model, self.tokenizer = CLIPModel.from_pretrained(clip), CLIPTokenizer.from_pretrained(clip)
            self.config = self.model.config

        def to(self, device: torch.device) -> AsTorchmetricsAsks:
            return self

        def get_image_features(self, pixels: torch.Tensor) -> Any:
            return self.model.get_image_features(pixels).pooler_output

        def get_text_features(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
            return self.model.get_text_features(ids, mask).pooler_output

        def __call__(self, text: Any = None, images: Any = None, **more: Any) -> Any:
            if text is not None:
                return self.tokenizer(text, **more)
            mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]))
            return {"pixel_values": torch.stack([(one / 255 - mean) / std for one in images])}

    pictures, texts = list(noise(4, 32, 32, 3)), ["a red cat", "two dogs", "a dog", "two red cats"]
    said = Sentences("mine", {"mine": [Prompt(str(k), text, None) for k, text in enumerate(texts)]})
    matcher = named_matcher(Registry(tmp_path), str(clip))
    scorer = Scorer(matcher, said, "some@1", lambda words, total: lambda done: None)
    nothing = Past(np.empty((0, 32, 32, 3), np.uint8), (), 0)
    (score,) = scorer.measure(asked(said.files["mine"], 1), pictures, ([], []), nothing).scores
    tensors, reads = [torch.from_numpy(one).permute(2, 0, 1) for one in pictures], AsTorchmetricsAsks()
    with torch.no_grad():
        reference = float(clip_score(tensors, texts, lambda: (reads, reads)))
    assert score.id == "clip-score" and reference > 1 and score.value == pytest.approx(reference, rel=1e-3)
