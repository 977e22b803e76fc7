"""Incubation targets: Sinkhorn against loops, the Hungarian method against all permutations."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
import torch

from pretrain.method.assignment import hungarian, nearest, pixel_distances, sinkhorn


def costs_of(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_loops(costs, epsilon, iterations, valid=None):
    """Sinkhorn's algorithm of one pool (n, K) in the exponential domain, as SwAV writes it."""
    n, size = costs.shape
    valid = [True] * n if valid is None else valid
    share = [[math.exp(-float(costs[i, j]) / epsilon) if valid[i] else 0.0 for j in range(size)] for i in range(n)]
    for _ in range(iterations):
        for j in range(size):
            column = sum(share[i][j] for i in range(n))
            for i in range(n):
                share[i][j] /= column
        for i in range(n):
            row = sum(share[i])
            for j in range(size):
                share[i][j] = share[i][j] / row if row else 0.0
    return np.array(share)


def test_distances_are_means_of_squares():
    pixels, prototypes = costs_of(2, 5, 7), costs_of(3, 7, seed=1)
    found = pixel_distances(pixels, prototypes)
    for n in range(2):
        for i in range(5):
            for k in range(3):
                wanted = sum(float(pixels[n, i, c] - prototypes[k, c]) ** 2 for c in range(7)) / 7
                assert float(found[n, i, k]) == pytest.approx(wanted, rel=1e-4)


def test_the_distance_of_a_patch_to_itself_is_not_negative():
    pixels = torch.randn(50, 192)
    assert float(pixel_distances(pixels, pixels).diagonal().min()) >= 0


def test_distances_keep_full_precision_under_autocast():
    pixels, prototypes = torch.randn(20, 192), torch.randn(9, 192)
    plain = pixel_distances(pixels, prototypes)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(pixel_distances(pixels, prototypes), plain)


@pytest.mark.parametrize("iterations", [1, 3, 10])
def test_sinkhorn_is_the_plain_loop(iterations):
    costs = costs_of(2, 11, 5)
    found = sinkhorn(costs, epsilon=0.2, iterations=iterations)
    for pool in range(2):
        assert found[pool].numpy() == pytest.approx(by_loops(costs[pool], 0.2, iterations), abs=1e-5)


def test_rows_sum_to_one_and_columns_to_their_share_after_many_rounds():
    found = sinkhorn(costs_of(3, 12, 4), epsilon=0.1, iterations=200)
    assert torch.allclose(found.sum(2), torch.ones(3, 12))
    assert torch.allclose(found.sum(1), torch.full((3, 4), 3.0), atol=1e-3)


def test_three_rounds_are_nearly_balanced_where_the_nearest_tokens_are_not():
    costs = costs_of(1, 400, 8)
    costs[..., 0] -= 0.5  # a token near to all
    balanced, greedy = sinkhorn(costs, epsilon=0.05, iterations=3).sum(1)[0], nearest(costs).sum(1)[0]
    assert greedy[0] > 200
    assert float(balanced.max()) < 90  # 50 is an equal share


def test_large_costs_neither_overflow_nor_vanish():
    found = sinkhorn(costs_of(1, 6, 3) * 1e4, epsilon=0.05, iterations=3)
    assert torch.isfinite(found).all()
    assert torch.allclose(found.sum(2), torch.ones(1, 6))


def test_rows_that_take_no_part_are_nought_and_change_nothing():
    costs = costs_of(2, 6, 4)
    valid = torch.tensor([[True, False, True, True, False, True], [False] * 6])
    found = sinkhorn(costs, epsilon=0.1, iterations=3, valid=valid)
    assert torch.isfinite(found).all()
    assert found[0].numpy() == pytest.approx(by_loops(costs[0], 0.1, 3, valid[0].tolist()), abs=1e-5)
    assert torch.allclose(found[0][valid[0]], sinkhorn(costs[:1, valid[0]], epsilon=0.1, iterations=3)[0])
    assert float(found[1].abs().max()) == 0  # a pool whose position nobody replaced


def test_targets_carry_no_gradient():
    costs = costs_of(1, 4, 4).requires_grad_()
    for target in (sinkhorn(costs, epsilon=0.1, iterations=2), hungarian(costs), nearest(costs)):
        assert not target.requires_grad


@pytest.mark.parametrize(("patches", "size"), [(4, 4), (3, 6), (1, 5)])
def test_the_hungarian_assignment_is_the_best_permutation(patches, size):
    costs = costs_of(5, patches, size, seed=patches)
    found = hungarian(costs)
    assert torch.equal(found.sum(2), torch.ones(5, patches, dtype=found.dtype))
    assert float(found.sum(1).max()) == 1
    for cost, target in zip(costs, found, strict=True):
        best = min(
            sum(float(cost[i, j]) for i, j in enumerate(chosen)) for chosen in permutations(range(size), patches)
        )
        assert float((cost * target).sum()) == pytest.approx(best)


def test_with_fewer_tokens_than_patches_each_serves_as_rarely_as_can_be():
    costs = costs_of(3, 5, 2)
    found = hungarian(costs)
    assert torch.equal(found.sum(2), torch.ones(3, 5, dtype=found.dtype))
    assert float(found.sum(1).max()) == 3  # five patches on two tokens
    for cost, target in zip(costs, found, strict=True):
        slots = [*cost.T, *cost.T, *cost.T]
        best = min(sum(float(slots[s][i]) for i, s in enumerate(chosen)) for chosen in permutations(range(6), 5))
        assert float((cost * target).sum()) == pytest.approx(best)


def test_the_nearest_token_by_hand():
    assert nearest(torch.tensor([[0.3, 0.1, 0.2], [0.0, 1.0, 2.0]])).tolist() == [[0, 1, 0], [1, 0, 0]]
