from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from facebench.heads.heatmap import CELLS, REACH, SIGMA, LandmarkHead, Pairs, fit_landmarks, heat_products

Faces = tuple[torch.Tensor, torch.Tensor]


def _faces(n: int, *, side: int = 7, seed: int = 0, noise: float = 0.0) -> Faces:
    """Tokens that see a blob at each of three points, and the points, in units of the crop's side."""
    rng = np.random.default_rng(seed)
    mean = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.7]])
    points = mean + rng.normal(0, 0.05, (n, 1, 2)) + rng.normal(0, 0.02, (n, 3, 2))
    centres = (np.arange(side) + 0.5) / side
    along = [np.exp(-0.5 * ((centres - points[..., axis, None]) / (1.0 / side)) ** 2) for axis in (0, 1)]
    maps = along[1][..., :, None] * along[0][..., None, :]
    maps = np.concatenate([maps, rng.normal(0, 1, (n, 2, side, side))], axis=1) + rng.normal(
        0, noise, (n, 5, side, side)
    )
    return torch.from_numpy(maps).float(), torch.from_numpy(points)


def _shards(faces: Faces, size: int = 10) -> Callable[[], Pairs]:
    return lambda: ((faces[0][i : i + size], faces[1][i : i + size]) for i in range(0, len(faces[0]), size))


def _fit(train: Faces, val: Faces) -> LandmarkHead:
    return fit_landmarks(_shards(train), _shards(val))


def _error(points: torch.Tensor, truth: torch.Tensor) -> float:
    return float((points - truth).norm(dim=2).mean())


@pytest.mark.parametrize("side", [3, 7, 14])
def test_products_are_those_of_dense_heatmaps(side: int) -> None:
    """Every token times every cell, with Gaussians drawn cell by cell."""
    tokens, points = _faces(5, side=side)
    points[0, 0] = torch.tensor([-0.02, 0.5])  # just outside the crop
    points[1, 1] = torch.tensor([0.999, 1.3])
    s = math.ceil(CELLS / side)
    cells = side * s
    heat = np.zeros((5, 3, cells, cells))
    for i in range(5):
        for k in range(3):
            x0, y0 = (points[i, k].numpy() * cells) - 0.5
            for y in range(cells):
                for x in range(cells):
                    if abs(x - np.round(x0)) <= REACH and abs(y - np.round(y0)) <= REACH:
                        heat[i, k, y, x] = np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * SIGMA**2))
    cross, total = heat_products(tokens, points)
    for token in range(side * side):
        r, c = divmod(token, side)
        under = heat[:, :, r * s : r * s + s, c * s : c * s + s].reshape(5, -1)
        np.testing.assert_allclose(total[token], under.sum(axis=0), atol=1e-12)
    blocks = heat.reshape(5, 3, side, s, side, s).transpose(0, 2, 4, 1, 3, 5).reshape(5 * side * side, -1)
    flat = tokens.double().flatten(2).transpose(1, 2).reshape(5 * side * side, -1).numpy()
    np.testing.assert_allclose(cross, flat.T @ blocks, atol=1e-9)


def test_a_clear_signal_is_found() -> None:
    train, val, test = _faces(200, seed=1), _faces(40, seed=2), _faces(40, seed=3)
    head = _fit(train, val)
    floor = _error(train[1].mean(0).expand_as(test[1]), test[1])
    assert _error(head.predict(test[0]), test[1]) < 0.25 * floor


def test_noise_shrinks_to_the_mean_shape() -> None:
    rng = torch.Generator().manual_seed(0)
    train, val = _faces(60, seed=1), _faces(40, seed=2)
    blind = [(torch.randn(len(f[0]), 5, 7, 7, generator=rng), f[1]) for f in (train, val)]
    head = _fit(*blind)
    test = _faces(40, seed=3)
    found = head.predict(torch.randn(40, 5, 7, 7, generator=rng))
    floor = _error(train[1].mean(0).expand_as(test[1]), test[1])
    assert _error(found, test[1]) < 1.05 * floor


def test_infinite_shrinkage_is_the_mean_shape_exactly() -> None:
    train = _faces(50, seed=1)
    head = replace(_fit(train, _faces(20, seed=2)), shape_shrinkage=math.inf, sharpness=0.0)
    torch.testing.assert_close(head.predict(_faces(7, seed=3)[0]), train[1].mean(0).expand(7, 3, 2))


def test_blunt_evidence_leaves_the_shape() -> None:
    """With a sharpness of almost nothing, decoding must add almost nothing, wherever the grid lies."""
    head = _fit(_faces(50, seed=1), _faces(20, seed=2))
    tokens = _faces(9, seed=3)[0]
    shape = replace(head, sharpness=0.0).predict(tokens)
    torch.testing.assert_close(replace(head, sharpness=1e-12).predict(tokens), shape, atol=1e-9, rtol=0)


def test_batches_do_not_matter() -> None:
    head = _fit(_faces(50, seed=1), _faces(20, seed=2))
    tokens = _faces(33, seed=3)[0]
    whole = head.predict(tokens)
    torch.testing.assert_close(torch.cat([head.predict(t[None]) for t in tokens]), whole, atol=1e-6, rtol=0)


def test_two_training_faces_are_enough_to_run() -> None:
    head = _fit(_faces(2, seed=1), _faces(1, seed=2))
    assert head.predict(_faces(3, seed=3)[0]).isfinite().all()


def test_points_that_never_move_are_predicted_where_they_are() -> None:
    tokens, points = _faces(30, seed=1)
    points = points.clone()
    points[:, 2] = torch.tensor([0.5, 0.8], dtype=torch.float64)
    head = _fit((tokens, points), (tokens[:5], points[:5]))
    torch.testing.assert_close(head.predict(tokens)[:, 2], points[:, 2], atol=2e-3, rtol=0)
