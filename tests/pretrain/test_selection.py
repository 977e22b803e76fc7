"""Choosing a token: exact forward, straight-through backward, and the frequencies of what is drawn."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chisquare, gumbel_r, kstest

from pretrain.method.codebook import Codebook
from pretrain.method.selection import choose, gumbel_noise
from pretrain.sections import CodebookConfig

TOKENS, WIDTH, PLACES = 7, 4, 5


def codebook(scope="shared"):
    torch.manual_seed(0)
    config = CodebookConfig(size=TOKENS, scope=scope, key_dim=2)
    return Codebook(config, width=WIDTH, patches=PLACES, patch_pixels=3).double()


def asked(n=2, m=3, seed=1):
    """Logits (n, m, K) and positions (n, m)."""
    source = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, m, TOKENS, generator=source, dtype=torch.float64)
    positions = torch.stack([torch.randperm(PLACES, generator=source)[:m].sort().values for _ in range(n)])
    return logits, positions


def noise_for(n=2, m=3, candidates=4, seed=2):
    source = torch.Generator().manual_seed(seed)
    return gumbel_noise(torch.rand(n, m, candidates, generator=source, dtype=torch.float64))


def test_the_noise_is_gumbels():
    drawn = gumbel_noise(torch.rand(20_000, generator=torch.Generator().manual_seed(0)))
    assert torch.isfinite(drawn).all()
    assert kstest(drawn.numpy(), gumbel_r.cdf).pvalue > 0.01


def test_the_ends_of_the_uniform_draws_give_finite_noise():
    assert torch.isfinite(gumbel_noise(torch.tensor([0.0, 1 - 2**-24]))).all()


@pytest.mark.parametrize("scope", ["shared", "position"])
@pytest.mark.parametrize("select", ["sample", "argmax"])
def test_forward_is_exactly_a_token_of_the_candidates(scope, select):
    book = codebook(scope).float()  # in the precision of a training
    logits, positions = asked(n=40)
    logits = logits.float()
    noise = noise_for(n=40).float() if select == "sample" else None
    found = choose(book, logits, positions, candidates=4, select=select, noise=noise)
    best = logits.topk(4, dim=-1).indices
    for n in range(40):
        for m in range(3):
            pool = 0 if scope == "shared" else int(positions[n, m])
            assert torch.equal(found.tokens[n, m], book.tokens[pool, found.indices[n, m]])
            assert found.indices[n, m] in best[n, m]
    changed = (found.indices != logits.argmax(-1)).any()
    assert changed == (select == "sample")


@pytest.mark.parametrize("select", ["sample", "argmax"])
def test_without_noise_the_most_likely_token_is_taken(select):
    logits, positions = asked()
    found = choose(codebook(), logits, positions, candidates=4, select=select, noise=None)
    assert torch.equal(found.indices, logits.argmax(-1))


def test_argmax_ignores_noise():
    logits, positions = asked()
    found = choose(codebook(), logits, positions, candidates=4, select="argmax", noise=100 * noise_for())
    assert torch.equal(found.indices, logits.argmax(-1))


def test_a_mixture_is_the_weighted_sum_by_a_loop():
    book = codebook()
    logits, positions = asked()
    found = choose(book, logits, positions, candidates=3, select="mix", noise=None)
    for n in range(2):
        for m in range(3):
            order = logits[n, m].argsort(descending=True)[:3]
            weights = torch.exp(logits[n, m, order]) / torch.exp(logits[n, m, order]).sum()
            wanted = sum(w * book.tokens[0, j] for w, j in zip(weights, order, strict=True))
            assert torch.allclose(found.tokens[n, m], wanted)
    assert torch.equal(found.indices, logits.argmax(-1))


def gradients(select, noise, weight):
    """Gradients of <weight, t**> in the logits and the tokens."""
    book = codebook()
    logits, positions = asked()
    logits.requires_grad_()
    found = choose(book, logits, positions, candidates=4, select=select, noise=noise)
    (found.tokens * weight).sum().backward()
    return logits.grad, book.tokens.grad, found


@pytest.mark.parametrize("select", ["sample", "argmax"])
def test_the_gradient_of_the_belief_is_that_of_the_mixture(select):
    weight = torch.randn(2, 3, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    noise = noise_for() if select == "sample" else None
    through, tokens, found = gradients(select, noise, weight)
    mixed, _, _ = gradients("mix", None, weight)
    assert torch.allclose(through, mixed)
    assert float(through.abs().max()) > 0.01
    # The token that was taken gets the whole gradient, the other candidates none.
    wanted = torch.zeros(TOKENS, WIDTH, dtype=torch.float64)
    for n in range(2):
        for m in range(3):
            wanted[found.indices[n, m]] += weight[n, m]
    assert torch.allclose(tokens[0], wanted)


def test_the_gradient_of_the_mixture_is_right():
    book = codebook()
    logits, positions = asked(n=1, m=2)

    def mixed(given):
        return choose(book, given, positions, candidates=3, select="mix", noise=None).tokens

    assert torch.autograd.gradcheck(mixed, (logits.requires_grad_(),))


def test_logits_outside_the_candidates_get_no_gradient():
    through, _, _ = gradients("sample", noise_for(), torch.ones(2, 3, WIDTH, dtype=torch.float64))
    outside = torch.ones_like(through, dtype=torch.bool).scatter(-1, asked()[0].topk(4).indices, value=False)
    assert float(through[outside].abs().max()) == 0


def test_a_single_candidate_teaches_the_belief_nothing():
    book = codebook()
    logits, positions = asked()
    choose(book, logits.requires_grad_(), positions, candidates=1, select="argmax", noise=None).tokens.sum().backward()
    assert float(logits.grad.abs().max()) == 0


def test_tokens_are_drawn_as_often_as_their_weights_say():
    draws = 20_000
    logits = torch.tensor([2.0, -9.0, 1.0, 1.5, 0.0, -8.0, -1.0], dtype=torch.float64).expand(draws, 1, TOKENS)
    positions = torch.zeros(draws, 1, dtype=torch.long)
    noise = noise_for(n=draws, m=1)
    found = choose(codebook(), logits, positions, candidates=4, select="sample", noise=noise).indices
    counts = torch.bincount(found.flatten(), minlength=TOKENS)
    candidates = [0, 3, 2, 4]  # by their logits
    weights = torch.tensor([2.0, 1.5, 1.0, 0.0]).softmax(0)
    assert int(counts[candidates].sum()) == draws
    assert chisquare(counts[candidates].numpy(), (weights * draws).numpy().astype(float), sum_check=False).pvalue > 0.01
