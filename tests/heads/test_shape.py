from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from facebench.errors import DataError
from facebench.heads.shape import fit_basis, fit_shape
from facebench.types import Mesh, Scan

RNG = np.random.default_rng(0)
BASE = RNG.normal(size=(57, 3)) * 50
AXES = np.linalg.qr(RNG.normal(size=(171, 3)))[0].T
FACES = np.stack([np.arange(48), np.arange(1, 49), np.arange(2, 50)], axis=1)


def _scan(coefficients: np.ndarray, motion: np.random.Generator | None = None) -> Scan:
    points = BASE + (coefficients @ AXES).reshape(57, 3)
    if motion is not None:
        turn = np.linalg.qr(motion.normal(size=(3, 3)))[0]
        points = points @ (turn * np.linalg.det(turn)) + motion.normal(size=3) * 100
    return Scan(Mesh(points[:-7], FACES), points[-7:])


def test_the_basis_holds_the_heads_it_was_made_of() -> None:
    heads = [_scan(RNG.normal(size=3) * 10) for _ in range(12)]
    basis = fit_basis((str(i), head) for i, head in enumerate(heads))
    np.testing.assert_allclose(basis.components @ basis.components.T, np.eye(len(basis.components)), atol=1e-10)
    for i, head in enumerate(heads):
        back = basis.scan(basis.coefficients(head, str(i)))
        # Each comes back up to the rigid motion that put it on the mean: distances within it are the same.
        for a, b in ((back.mesh.vertices, head.mesh.vertices), (back.landmarks, head.landmarks)):
            ours, truth = (np.linalg.norm(p[:, None] - p[None], axis=2) for p in (a, b))
            assert np.abs(ours - truth).max() < 0.5


def test_where_a_head_stands_does_not_matter() -> None:
    motion = np.random.default_rng(5)
    shapes = [RNG.normal(size=3) * 10 for _ in range(8)]
    still = fit_basis((str(i), _scan(c)) for i, c in enumerate(shapes))
    moved = fit_basis((str(i), _scan(c, motion)) for i, c in enumerate(shapes))
    assert len(still.components) == len(moved.components)
    a, b = (np.linalg.norm(m.mean[:, None] - m.mean[None], axis=2) for m in (still, moved))
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_one_subject_is_refused() -> None:
    with pytest.raises(DataError, match="at least two subjects"):
        fit_basis([("a", _scan(np.zeros(3)))])


def test_another_topology_is_refused_by_name() -> None:
    other = Scan(Mesh(BASE[:40], FACES[:30]), BASE[-7:])
    with pytest.raises(DataError, match="head b has 40 vertices and 30 triangles"):
        fit_basis([("a", _scan(np.zeros(3))), ("b", other)])


def _faces(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, 3))
    tokens = rng.normal(size=(n, 4, 3, 3))
    tokens[:, :3, 1, 1] = truth  # only one place of the map knows
    return torch.from_numpy(tokens).float(), torch.from_numpy(tokens.mean(axis=(2, 3))).float(), torch.from_numpy(truth)


def test_coefficients_are_found_where_the_map_knows_them() -> None:
    head = fit_shape(lambda: [_faces(150, 1)], lambda: [_faces(40, 2)])
    tokens, pooled, truth = _faces(40, 3)
    assert head.chosen["inputs"] == "map"
    assert float((head.predict(tokens, pooled) - truth).square().mean()) < 0.05 * float(truth.square().mean())


def test_noise_gives_the_mean_head() -> None:
    blind = [(t, p, torch.randn(len(t), 3, generator=torch.Generator().manual_seed(7))) for t, p, _ in (_faces(30, 1),)]
    val = [(t, p, torch.randn(len(t), 3, generator=torch.Generator().manual_seed(8))) for t, p, _ in (_faces(60, 2),)]
    head = fit_shape(lambda: blind, lambda: val)
    tokens, pooled, _ = _faces(10, 3)
    mean = blind[0][2].double().mean(dim=0)
    assert float((head.predict(tokens, pooled) - mean).abs().max()) < 0.5
    exact = replace(head, shrinkage=float("inf")).predict(tokens, pooled)
    torch.testing.assert_close(exact, mean.expand(10, 3))
