"""The two optional terms, geometry of the regions and tokens as targets, against loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from pretrain.method.geometry_term import RegionGeometry
from pretrain.method.regions import REGIONS
from pretrain.method.token_head import REFINED, TokenHead

WIDTH, GRID = 6, 3
LABELS = torch.tensor([[0, 0, 1, 2, 2, 7, 7, 7, 7], [3, 3, 3, 5, 5, 5, 5, 5, 5]])  # different regions in each picture


def features(n=2, count=GRID**2, seed=0):
    return torch.randn(n, count, WIDTH, generator=torch.Generator().manual_seed(seed))


def geometry():
    torch.manual_seed(0)
    return RegionGeometry(width=WIDTH, grid=GRID)


def smooth(x):
    return x * x / 2 if abs(x) < 1 else abs(x) - 0.5


@torch.no_grad()
def geometry_by_loops(term, x, labels):
    """Mean over pictures of (cross-entropy of where each region is + offsets between centres)."""
    per_picture = []
    for n in range(len(x)):
        where, centres, true = [], {}, {}
        for region in sorted(set(labels[n].tolist())):
            scores = [float(term.queries[region] @ term.keys(x[n, i])) / math.sqrt(WIDTH) for i in range(GRID**2)]
            shares = torch.tensor(scores).softmax(0)
            members = [i for i in range(GRID**2) if labels[n, i] == region]
            where.append(-sum(math.log(float(shares[i])) for i in members) / len(members))
            read = sum(float(shares[i]) * x[n, i] for i in range(GRID**2))
            centres[region] = term.centre(read)
            places = [((i % GRID + 0.5) / GRID, (i // GRID + 0.5) / GRID) for i in members]
            true[region] = torch.tensor(places).mean(0)
        offsets = [
            sum(smooth(float(d)) for d in (centres[a] - centres[b]) - (true[a] - true[b])) / 2
            for a in centres
            for b in centres
        ]
        per_picture.append(sum(where) / len(where) + sum(offsets) / len(offsets))
    return sum(per_picture) / len(per_picture)


def test_the_geometric_term_by_loops():
    term, x = geometry(), features()
    assert float(term(x, LABELS).detach()) == pytest.approx(geometry_by_loops(term, x, LABELS), rel=1e-5)


def test_each_picture_weighs_the_same_however_the_batch_is_shared():
    term, x = geometry(), features()
    apart = [float(term(x[n : n + 1], LABELS[n : n + 1]).detach()) for n in range(2)]
    assert float(term(x, LABELS).detach()) == pytest.approx(sum(apart) / 2, rel=1e-5)


def test_a_region_that_is_looked_at_where_it_is_costs_little():
    # Features that name their region, queries that look for that name.
    term = geometry()
    x = functional.one_hot(LABELS.clamp(max=WIDTH - 1), WIDTH).float()
    with torch.no_grad():
        term.keys.weight.copy_(torch.eye(WIDTH))
        term.keys.bias.zero_()
        term.queries.copy_(-50.0 * torch.ones(len(REGIONS), WIDTH))
        term.queries[range(len(REGIONS)), [min(r, WIDTH - 1) for r in range(len(REGIONS))]] = 50.0
        term.centre.weight.zero_()
    # Attention is even over a region of n patches, so its cross-entropy is log n: 2, 1, 2, 4 and 3, 6 patches here.
    wanted = [(math.log(2) + 0 + math.log(2) + math.log(4)) / 4, (math.log(3) + math.log(6)) / 2]
    found = [float(term(x[n : n + 1], LABELS[n : n + 1]).detach()) for n in range(2)]
    assert found[0] - wanted[0] == pytest.approx(0, abs=0.3)  # what is left are the centres, that nobody learnt
    assert found[1] - wanted[1] == pytest.approx(0, abs=0.3)


def test_a_picture_of_one_region_is_no_trap():
    term = geometry()
    found = term(features(1), torch.full((1, GRID**2), 7))
    found.backward()
    assert math.isfinite(float(found.detach()))
    assert all(torch.isfinite(p.grad).all() for p in term.parameters())


def head(size=5):
    torch.manual_seed(0)
    return TokenHead(width=WIDTH, size=size)


DROPPED = torch.tensor([[True, False, True, False], [False, False, False, True]])


@torch.no_grad()
def tokens_by_loops(term, x, belief, dropped):
    errors = []
    for n in range(2):
        for m in range(4):
            if not dropped[n, m]:
                continue
            alike = torch.stack([functional.cosine_similarity(x[n, m], x[n, j], dim=0) for j in range(4)]).softmax(0)
            refined = sum(alike[j] * belief[n, j] for j in range(4))
            target = (1 - REFINED) * belief[n, m] + REFINED * refined
            errors.append(float(-(target * term.layer(x[n, m]).log_softmax(0)).sum()))
    return sum(errors) / len(errors)


def test_the_token_head_by_loops():
    term, x = head(), features(count=4)
    belief = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(3)).softmax(-1)
    found = float(term(x, belief, DROPPED).detach())
    assert found == pytest.approx(tokens_by_loops(term, x, belief, DROPPED), rel=1e-5)


def test_belief_gets_no_gradient_and_only_dropped_patches_give_one():
    term, x = head(), features(count=4).requires_grad_()
    belief = torch.full((2, 4, 5), 0.2).requires_grad_()
    term(x, belief, DROPPED).backward()
    assert belief.grad is None
    assert float(x.grad[~DROPPED].abs().max()) == 0
    assert float(x.grad[DROPPED].abs().min()) > 0


def test_without_dropped_patches_the_term_is_nought():
    assert float(head()(features(count=4), torch.full((2, 4, 5), 0.2), torch.zeros_like(DROPPED)).detach()) == 0
