"""Layers, quantiser and transformer against slow obvious versions, and the published sizes."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from limner.families.parti.image_tokenizer import ImageTokenizer
from limner.families.parti.layers import Attention
from limner.families.parti.loss import RandomFeatures, token_loss
from limner.families.parti.quantizer import Quantizer, perplexity
from limner.families.parti.shape import PRESETS, ImageTokens
from limner.families.parti.transformer import TokenTransformer

from .tiny import IMAGE, TRANSFORMER, make_transformer


@pytest.mark.parametrize(
    ("name", "published"), [("350M", 387e6), ("750M", 789e6), ("3B", 3.09e9), ("20B", 20.5e9)]
)
def test_presets_have_the_published_sizes(name: str, published: float) -> None:
    with torch.device("meta"):
        network = TokenTransformer(PRESETS[name], codes=8192, side=32)
    count = sum(weight.numel() for weight in network.parameters())
    assert abs(count / published - 1) < 0.05


def test_the_published_image_tokenizer_is_a_transformer_over_patches() -> None:
    with torch.device("meta"):
        whole = ImageTokenizer(ImageTokens())
    assert whole.quantizer.codebook.weight.shape == (8192, 32) and whole.shape.side == 32
    assert sum(weight.numel() for weight in whole.encoder.blocks.parameters()) == 8 * 3_150_336
    network = ImageTokenizer(ImageTokens(size=32, width=16, layers=1, heads=2, mlp=32, code_width=4, codes=9))
    quantised = network.encode(torch.rand(2, 3, 32, 32))
    assert quantised.tokens.shape == (2, 16) and quantised.codes.shape == (2, 16, 4)
    assert network.decode(quantised.codes).shape == (2, 3, 32, 32)


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    mine, theirs = Attention(12, 3), nn.MultiheadAttention(12, 3, bias=False, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([mine.query.weight, mine.key_value.weight]))
        theirs.out_proj.load_state_dict(mine.out.state_dict())
    states, memory, bias = torch.randn(2, 5, 12), torch.randn(2, 7, 12), torch.randn(5, 7)
    expected, weights = theirs(states, memory, memory, attn_mask=bias)
    assert torch.allclose(mine(states, memory, bias), expected, atol=1e-6)
    seen, looked = mine.look(states, mine.kept(memory), bias)
    assert torch.allclose(seen, expected, atol=1e-6) and torch.allclose(looked.mean(1), weights, atol=1e-6)


def test_the_quantiser_takes_the_nearest_code() -> None:
    torch.manual_seed(0)
    quantizer, vectors = Quantizer(7, 3), torch.randn(2, 5, 3)
    found = quantizer(vectors)
    unit = [row / row.norm() for row in quantizer.codebook.weight.detach()]
    for b, n in itertools.product(range(2), range(5)):
        vector = vectors[b, n] / vectors[b, n].norm()
        distances = [float((vector - code).square().sum()) for code in unit]
        nearest = distances.index(min(distances))
        assert int(found.tokens[b, n]) == nearest
        assert torch.allclose(found.codes[b, n], unit[nearest], atol=1e-6)
    assert torch.equal(quantizer.looked_up(found.tokens), torch.stack(unit)[found.tokens])
    lost = (found.vectors - quantizer.looked_up(found.tokens)).square().mean()
    assert torch.allclose(found.codebook_loss, lost) and torch.allclose(found.commitment_loss, lost)


def test_gradients_pass_straight_through_the_quantiser() -> None:
    torch.manual_seed(0)
    quantizer, slope = Quantizer(7, 3), torch.randn(2, 5, 3)
    vectors = nn.functional.normalize(torch.randn(2, 5, 3), dim=-1).requires_grad_()
    (quantizer(vectors).codes * slope).sum().backward()
    assert quantizer.codebook.weight.grad is None and vectors.grad is not None
    along = (slope * vectors.detach()).sum(
        -1, keepdim=True
    ) * vectors.detach()  # a unit vector turns, and grows not
    assert torch.allclose(vectors.grad, slope - along, atol=1e-5)
    found = quantizer(vectors.detach())
    found.codebook_loss.backward()
    moved = quantizer.codebook.weight.grad
    assert moved is not None and moved.abs().sum() > 0
    unused = set(range(7)) - set(found.tokens.flatten().tolist())
    assert all(moved[k].abs().sum() == 0 for k in unused)


def test_codes_that_nobody_uses_begin_anew_at_what_is_there() -> None:
    torch.manual_seed(0)
    quantizer = Quantizer(4, 3)
    kept = quantizer.codebook.weight[0].clone()
    quantised = quantizer(torch.randn(2, 8, 3))
    for _ in range(100):
        quantizer.observe(torch.zeros(2, 8, dtype=torch.int64))
    assert quantizer.revive(quantised, 0.05) == 3 and torch.equal(quantizer.codebook.weight[0], kept)
    rows = {tuple(row) for row in quantised.vectors.flatten(0, 1).tolist()}
    assert all(tuple(row) in rows for row in quantizer.codebook.weight[1:].tolist())
    assert quantizer.revive(quantised, 0.05) == 0
    assert perplexity(torch.tensor([0.25] * 4)) == pytest.approx(4)
    assert perplexity(torch.tensor([1.0, 0.0])) == pytest.approx(1)


def test_codes_begin_anew_where_vectors_are_far_from_theirs() -> None:
    """Two of a hundred vectors have no code near them; both codes that are free go there."""
    torch.manual_seed(0)
    quantizer = Quantizer(3, 3)
    quantizer.codebook.weight.data = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0.7, 0.7, 0]])
    vectors = torch.tensor([1.0, 0, 0]).repeat(1, 100, 1)
    vectors[0, 40], vectors[0, 70] = torch.tensor([0, 0, 1.0]), torch.tensor([0, 0.1, 1.0])
    quantised = quantizer(vectors)
    for _ in range(100):
        quantizer.observe(torch.zeros(1, 100, dtype=torch.int64))
    assert quantizer.revive(quantised, 0.05) == 2
    assert (quantizer.codebook.weight[1:, 2] > 0.9).all()


@pytest.mark.parametrize("above", [0, 4])
@torch.no_grad()
def test_steps_with_a_cache_score_as_the_whole_does(above: int) -> None:
    network = make_transformer(TRANSFORMER.model_copy(update={"above": above, "tied": above == 0}))
    generator = torch.Generator().manual_seed(2)
    ids = torch.randint(3, TRANSFORMER.text_vocabulary, (3, 12), generator=generator)
    mask = (torch.arange(12)[None] < torch.tensor([[12], [4], [1]])).float()
    count = IMAGE.side**2
    tokens = torch.randint(IMAGE.codes, (3, count), generator=generator)
    whole = network(ids, mask, tokens)
    memory, shape = network.remember(ids, mask), network.shape
    cache = torch.full(
        (3, shape.decoder_layers, 2, shape.heads, count, shape.head), 7.0
    )  # what is not yet there
    for place in range(count):
        given = network.given(tokens)[:, place]
        position = torch.full((3,), place)
        scores, kept, looked = network.step(given, position, memory, mask, cache)
        cache[:, :, :, :, place] = kept
        assert torch.allclose(scores, whole[:, place], atol=1e-4)
        assert torch.allclose(looked.sum(1), torch.ones(3), atol=1e-5)
        assert not looked[mask == 0].any()
    places = torch.tensor([3, 9, 0])  # each row at its own place
    given = network.given(tokens)[torch.arange(3), places]
    scores, _, _ = network.step(given, places, memory, mask, cache)
    assert torch.allclose(scores, whole[torch.arange(3), places], atol=1e-4)


@torch.no_grad()
def test_no_token_is_seen_before_it_is_drawn() -> None:
    network = make_transformer()
    ids, mask = torch.full((1, 12), 5), torch.ones(1, 12)
    tokens = torch.randint(IMAGE.codes, (1, 16), generator=torch.Generator().manual_seed(1))
    before = network(ids, mask, tokens)
    for place in range(16):
        changed = tokens.clone()
        changed[0, place] = (changed[0, place] + 1) % IMAGE.codes
        after = network(ids, mask, changed)
        assert torch.equal(after[:, : place + 1], before[:, : place + 1])
        assert place == 15 or not torch.allclose(after[:, place + 1 :], before[:, place + 1 :])


def test_a_place_is_given_what_is_before_and_above_it() -> None:
    network = make_transformer()
    tokens = torch.arange(16).reshape(1, 16)  # 4 x 4
    none = IMAGE.codes
    given = network.given(tokens)[0].tolist()
    assert given[0] == [none, none, none] and given[3] == [2, none, none]
    assert given[4] == [3, 0, 1] and given[6] == [5, 2, 3] and given[7] == [6, 3, none]


def test_losses_are_what_they_say() -> None:
    torch.manual_seed(0)
    made, true = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    features = RandomFeatures()
    assert float(features(made, made)) == 0 < float(features(made, true))
    assert torch.equal(features(made, true), RandomFeatures()(made, true))
    scores, tokens = torch.randn(2, 5, 7), torch.randint(7, (2, 5))
    weights = torch.rand(2, 5) + 0.1
    each = [
        [float(torch.logsumexp(scores[b, n], 0) - scores[b, n, tokens[b, n]]) for n in range(5)]
        for b in range(2)
    ]
    expected = (torch.tensor(each) * weights).sum() / weights.sum()
    assert torch.allclose(token_loss(scores, tokens, weights), expected, atol=1e-5)
