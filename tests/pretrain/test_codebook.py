"""The codebook and the Belief Predictor: cosines by a loop, pools, counts, and precision."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from pretrain.method.belief import BeliefPredictor
from pretrain.method.codebook import Codebook
from pretrain.method.patches import standardise
from pretrain.sections import BeliefConfig, CodebookConfig


def codebook(scope="shared", size=6, patches=5):
    torch.manual_seed(0)
    return Codebook(CodebookConfig(size=size, scope=scope, key_dim=3), width=4, patches=patches, patch_pixels=12)


def queries(*shape):
    return functional.normalize(torch.randn(*shape, 3, generator=torch.Generator().manual_seed(1)), dim=-1)


POSITIONS = torch.tensor([[0, 2, 4], [1, 2, 3]])


@pytest.mark.parametrize("scope", ["shared", "position"])
def test_cosines_are_those_of_a_loop(scope):
    book, asked = codebook(scope), queries(2, 3)
    found = book.cosines(asked, POSITIONS).detach()
    for n in range(2):
        for m in range(3):
            pool = 0 if scope == "shared" else int(POSITIONS[n, m])
            for k in range(6):
                key = (book.key.weight @ book.tokens[pool, k]).detach()
                wanted = float(asked[n, m] @ key / key.norm())
                assert float(found[n, m, k]) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("scope", ["shared", "position"])
def test_cosines_keep_full_precision_under_autocast(scope):
    book, asked = codebook(scope), queries(2, 3)
    plain = book.cosines(asked, POSITIONS)
    with torch.autocast("cpu", torch.bfloat16):
        found = book.cosines(asked, POSITIONS).detach()
    assert found.dtype == torch.float32
    assert torch.equal(found, plain)


@pytest.mark.parametrize("scope", ["shared", "position"])
def test_chosen_tokens_and_counts_by_a_loop(scope):
    book = codebook(scope)
    indices = torch.tensor([[5, 0, 5], [5, 1, 0]])
    tokens, counts = book.chosen(indices, POSITIONS), book.counted(indices, POSITIONS)
    wanted = torch.zeros(len(book.tokens), 6)
    for n in range(2):
        for m in range(3):
            pool = 0 if scope == "shared" else int(POSITIONS[n, m])
            assert torch.equal(tokens[n, m], book.tokens[pool, indices[n, m]])
            wanted[pool, indices[n, m]] += 1
    assert torch.equal(counts, wanted)


def test_there_is_one_pool_or_one_for_each_position():
    assert codebook().tokens.shape == (1, 6, 4)
    assert codebook("position").tokens.shape == (5, 6, 4)
    assert codebook("position").prototypes().shape == (5, 6, 12)
    assert torch.equal(codebook("position").usage, torch.full((5, 6), 1 / 6))


def predictor(**fields):
    torch.manual_seed(0)
    return BeliefPredictor(BeliefConfig(**fields), patch_pixels=12, width=16, key_dim=3)


def test_a_query_has_length_one_and_sees_its_own_patch_alone():
    ask, patches = predictor(), torch.rand(2, 5, 12, generator=torch.Generator().manual_seed(2))
    found = ask(standardise(patches))
    assert torch.allclose(found.norm(dim=-1), torch.ones(2, 5))
    other = patches.clone()
    other[0, 3] = 1 - other[0, 3]
    changed = (ask(standardise(other)) != found).any(-1)
    assert changed[0, 3]
    assert int(changed.sum()) == 1


def test_a_query_knows_of_brightness_and_contrast():
    ask, patches = predictor(), torch.rand(1, 1, 12, generator=torch.Generator().manual_seed(2))
    plain, darker, flatter = (ask(standardise(p)) for p in (patches, patches - 0.3, patches * 0.2))
    assert not torch.allclose(plain, darker, atol=1e-3)
    assert not torch.allclose(plain, flatter, atol=1e-3)


def test_sharpness_is_bounded_and_starts_where_it_is_told():
    assert float(predictor().sharpness().detach()) == 10
    ask = predictor(scale=7.0, scale_max=20.0)
    assert float(ask.sharpness().detach()) == 7
    for value, wanted in ((1000.0, 20.0), (-5.0, 1e-3)):
        with torch.no_grad():
            ask.scale.fill_(value)
        ask.bound()
        assert float(ask.sharpness().detach()) == pytest.approx(wanted)


def test_hidden_layers_are_as_wide_as_the_encoder_or_as_told():
    assert predictor().layers[0].weight.shape == (16, 12 + 2)
    assert predictor(hidden=24).layers[3].weight.shape == (24, 24)
