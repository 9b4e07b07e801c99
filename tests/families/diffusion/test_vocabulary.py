"""The learned tokenizer: whole words where it has seen them, nothing lost where it has not."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from limner.families.diffusion.vocabulary import learn_tokenizer

CAPTIONS = ["a red apple on a wooden table", "two red cars in the snow", "a wooden car"] * 30
TOKENIZER = learn_tokenizer(CAPTIONS, 700, 24)


def test_words_of_the_set_become_single_tokens() -> None:
    assert TOKENIZER.tokenize("A Red  apple on a wooden car") == [
        "a</w>", "red</w>", "apple</w>", "on</w>", "a</w>", "wooden</w>", "car</w>",
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=8))
def test_any_text_has_known_tokens(text: str) -> None:
    ids = TOKENIZER(text).input_ids
    assert ids[0] == TOKENIZER.bos_token_id and ids[-1] == TOKENIZER.eos_token_id
    assert TOKENIZER.bos_token_id not in ids[1:] and len(ids) > 2


def test_prompts_are_padded_and_cut_to_the_length() -> None:
    for text in ("a", "a red apple " * 30):
        assert len(TOKENIZER(text, padding="max_length", truncation=True).input_ids) == 24
