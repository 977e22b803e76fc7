"""k-means against scipy, with empty centres, and with too few patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.cluster.vq import kmeans2

from facebench.errors import UsageError
from pretrain.method import kmeans as module
from pretrain.method.kmeans import assign, kmeans


def blobs(count=5, each=60, dimensions=6, seed=0):
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(count, dimensions)) * 4
    return torch.from_numpy((middles[:, None] + rng.normal(size=(count, each, dimensions))).reshape(-1, dimensions))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def start_of(points, size, seed):
    """The centres that k-means starts from."""
    return points[torch.randperm(len(points), generator=generator(seed))[:size]]


@pytest.mark.parametrize("iterations", [1, 5, 20])
def test_the_same_start_leads_to_scipys_centres(iterations):
    points = blobs()
    start = start_of(points, 7, seed=3)
    wanted, _ = kmeans2(points.numpy(), start.numpy(), iter=iterations, minit="matrix", missing="raise")
    found = kmeans(points, 7, iterations=iterations, generator=generator(3))
    assert found.numpy() == pytest.approx(wanted, abs=1e-10)


def test_no_iteration_gives_distinct_points():
    points = blobs()
    found = kmeans(points, 9, iterations=0, generator=generator())
    assert torch.equal(found, start_of(points, 9, seed=0))
    assert len(torch.unique(found, dim=0)) == 9


def test_a_centre_without_points_moves_to_the_farthest_one(monkeypatch):
    # Two starts in one place: the second gets nothing, and 9 is farthest from the mean of all, 2.5.
    points = torch.tensor([[0.0], [0.0], [1.0], [9.0]])
    monkeypatch.setattr(module.torch, "randperm", lambda *_, **__: torch.tensor([0, 1, 2, 3]))
    assert kmeans(points, 2, iterations=1, generator=generator()).flatten().tolist() == [2.5, 9.0]
    # Then 0, 0, 1 lie nearer to 2.5 and 9 to itself.
    assert kmeans(points, 2, iterations=2, generator=generator()).flatten().tolist() == pytest.approx([1 / 3, 9.0])


def test_fewer_distinct_points_than_centres_are_all_centres():
    points = torch.tensor([[0.0], [5.0]]).repeat(10, 1)
    found = kmeans(points, 6, iterations=5, generator=generator())
    assert set(found.flatten().tolist()) == {0.0, 5.0}


def test_more_tokens_than_patches_is_an_error_that_says_what_to_do():
    with pytest.raises(UsageError, match=r"8 tokens are more than the 5 patches.*codebook\.size"):
        kmeans(torch.rand(5, 3), 8, iterations=1, generator=generator())


def test_assignment_in_chunks_is_that_of_a_loop(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 7)
    points, centres = torch.rand(30, 4, dtype=torch.float64), torch.rand(5, 4, dtype=torch.float64)
    nearest, distances = assign(points, centres)
    for i, point in enumerate(points):
        squares = [float(((point - centre) ** 2).sum()) for centre in centres]
        assert nearest[i] == int(np.argmin(squares))
        assert float(distances[i]) == pytest.approx(min(squares))


def test_the_draws_are_the_generators():
    points = blobs()
    first, again = (kmeans(points, 4, iterations=3, generator=generator(1)) for _ in range(2))
    assert torch.equal(first, again)
