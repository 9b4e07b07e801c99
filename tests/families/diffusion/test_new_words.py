"""Words that a model reads in pieces become tokens of their own; what it knew it reads as before."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer

from limner.data.captioned import CaptionedSet, Item
from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.errors import InvalidInput
from limner.families.diffusion import tuning
from limner.families.diffusion.new_words import further_merges, with_words, words_of_pieces
from limner.families.diffusion.tokenizer import ClipTokenizer
from limner.families.diffusion.tuning import _worded
from limner.registry import Registry
from limner.registry.models import BUILT_IN, Model, open_model
from limner.training.recipe import read_recipe
from limner.training.run import Prepared, train

KNOWN = "a red apple on a wooden table"
NEW = "a creature with feathered wings and horns"
_EMBEDDING = "embeddings.token_embedding.weight"
_RECIPE = """
[data]
storybook_world = "creatures"
storybook_count = 4
held_out = 0.25
[tuning]
steps = 1
batch_size = 1
new_words = 200
"""


@pytest.fixture(scope="module")
def storybook() -> Model:
    """The built-in model."""
    return open_model(BUILT_IN / "storybook")


@pytest.fixture(scope="module")
def worded(storybook: Model, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The built-in model with the words of NEW."""
    return with_words(storybook, [NEW] * 3, 200, tmp_path_factory.mktemp("words") / "model")


_WORDS = st.dictionaries(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=5).map(tuple), st.integers(1, 9)
)


@given(_WORDS, st.integers(0, 12))
def test_merges_are_those_of_a_slow_search(words: dict[tuple[str, ...], int], most: int) -> None:
    left = [list(word) for word, count in words.items() for _ in range(count)]
    expected: list[tuple[str, str]] = []
    while len(expected) < most:
        pairs = [(word[k], word[k + 1]) for word in left for k in range(len(word) - 1)]
        often = {pair: pairs.count(pair) for pair in set(pairs) if pairs.count(pair) >= 3}
        if not often:
            break
        first, second = sorted(pair for pair in often if often[pair] == max(often.values()))[0]
        expected.append((first, second))
        for word in left:
            k = 0
            while k < len(word) - 1:
                if (word[k], word[k + 1]) == (first, second):
                    word[k : k + 2] = [first + second]
                k += 1
    assert further_merges(Counter(words), most) == expected


def test_new_words_are_read_whole_and_known_ones_as_before(storybook: Model, worded: Model) -> None:
    old, new = (ClipTokenizer(model.path / "tokenizer") for model in (storybook, worded))
    assert len(old.pieces(NEW)) > len(new.pieces(NEW)) == len(NEW.split())
    assert old.pieces(KNOWN) == new.pieces(KNOWN)
    theirs = CLIPTokenizer.from_pretrained(worded.path / "tokenizer")
    for text in (KNOWN, NEW, "horns, feathers & a Wing"):
        assert theirs(text, padding="max_length", max_length=48).input_ids == new(text).tolist()


def test_a_new_token_begins_as_the_mean_of_its_two(storybook: Model, worded: Model) -> None:
    old, new = (
        CLIPTextModel.from_pretrained(model.path / "text_encoder", dtype=torch.float32)
        .get_input_embeddings()
        .weight
        for model in (storybook, worded)
    )
    assert torch.equal(new[: len(old)], old)
    parameters = [model.manifest.graphs["text_encoder"].parameters for model in (storybook, worded)]
    assert parameters[1] - parameters[0] == (len(new) - len(old)) * new.shape[1]
    tokenizer = CLIPTokenizer.from_pretrained(storybook.path / "tokenizer")
    (first, second), *_ = further_merges(words_of_pieces(tokenizer, [NEW] * 3), 200)
    ids = tokenizer.convert_tokens_to_ids([first, second])
    assert torch.allclose(new[len(old)], old[ids].mean(0), atol=1e-3)  # kept in half precision


def test_what_it_knew_it_draws_as_before(storybook: Model, worded: Model, tmp_path: Path) -> None:
    studio = LocalStudio(Registry(tmp_path))
    old, new = (
        studio.draw(DrawRequest(prompt=KNOWN, model=str(model.path), seed=4, steps=3)).pixels.astype(int)
        for model in (storybook, worded)
    )
    studio.close()
    assert np.abs(old - new).mean() < 4  # the one in 8 bits, the other in bfloat16


def test_where_nothing_is_in_pieces_nothing_is_made(storybook: Model, tmp_path: Path) -> None:
    assert with_words(storybook, [KNOWN] * 5, 200, tmp_path / "model") is storybook
    assert not (tmp_path / "model").exists()


def test_words_of_an_earlier_run_in_a_folder_are_let_go_of(storybook: Model, tmp_path: Path) -> None:
    item = Item(tmp_path / "a.png", (KNOWN,), None, {}, None)
    data = Prepared(CaptionedSet(tmp_path, ()), (item,), (), tmp_path, storybook, "")
    (tmp_path / "words").mkdir()
    assert _worded(data, 200, tmp_path / "words", False) is storybook
    assert not (tmp_path / "words").exists()


def test_how_many_are_new_may_change_until_the_tuning_begins(
    storybook: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class BegunError(Exception): ...

    def begun(*given: object) -> None:
        raise BegunError

    monkeypatch.setattr(tuning, "load_tunable", begun)
    recipe, found = _RECIPE + "text_encoder = true\n", []
    for most, resume in ((200, False), (3, True)):
        (tmp_path / "recipe.toml").write_text(recipe.replace("200", str(most)), encoding="utf-8")
        with pytest.raises(BegunError):
            train(tmp_path / "recipe.toml", tmp_path / "out", resume, storybook)
        found.append(tuning._tokens(open_model(tmp_path / "out" / "words")))
    assert found[0] > found[1] == tuning._tokens(storybook) + 3


@pytest.mark.parametrize("more", ['method = "full"', 'method = "lora"\nrank = 2'])
def test_a_model_is_tuned_on_its_new_words(more: str, storybook: Model, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(f"{_RECIPE}text_encoder = true\n{more}\n", encoding="utf-8")
    made = train(tmp_path / "recipe.toml", tmp_path / "out", False, storybook)
    words = open_model(tmp_path / "out" / "words")
    assert len(ClipTokenizer(made.path / "tokenizer").pieces("creature creature")) == 2
    weights = "text_encoder/model.safetensors"
    before, after = (load_file(model.path / weights) for model in (words, made))
    assert {name: value.shape for name, value in before.items()} == {
        name: value.shape for name, value in after.items()
    }
    known = len(load_file(storybook.path / weights)[_EMBEDDING])
    assert not torch.equal(before[_EMBEDDING][known:], after[_EMBEDDING][known:])
    assert made.manifest.lineage.parent == f"storybook@{storybook.version}"
    stamp = (words.path / weights).stat().st_mtime_ns
    train(tmp_path / "recipe.toml", tmp_path / "out", True, storybook)
    assert (words.path / weights).stat().st_mtime_ns == stamp


def test_a_lora_lies_on_a_model_with_its_words_that_knows_all_others_as_before(
    storybook: Model, tmp_path: Path
) -> None:
    more = 'text_encoder = true\nmethod = "lora"\nrank = 2\nlearning_rate = 1e-2\n'
    (tmp_path / "recipe.toml").write_text(_RECIPE + more, encoding="utf-8")
    made = train(tmp_path / "recipe.toml", tmp_path / "out", False, storybook)
    folder, weights = tmp_path / "out" / "lora", Path("text_encoder") / "model.safetensors"
    old, words, without, after = (
        load_file(path / weights)
        for path in (storybook.path, tmp_path / "out" / "words", folder / "model", made.path)
    )
    known, learned = len(old[_EMBEDDING]), without[_EMBEDDING]
    assert torch.equal(learned[:known], old[_EMBEDDING]) and torch.equal(learned, after[_EMBEDDING])
    assert not (learned[known:] == words[_EMBEDDING][known:]).all(1).all()
    assert all(torch.equal(without[name], words[name]) for name in words if name != _EMBEDDING)
    changed = {name for name in words if not torch.equal(without[name], after[name])}
    lora = load_file(folder / "pytorch_lora_weights.safetensors")
    assert changed and len(changed) <= sum(
        name.startswith("text_encoder.") and "lora_A" in name for name in lora
    )


def test_new_words_need_the_text_encoder(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(_RECIPE, encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"tuning\.new_words"):
        read_recipe(tmp_path / "recipe.toml")
