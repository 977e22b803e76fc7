from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from facebench.heads.ridge import SHRINKAGES, Moments, Wide


def _data(n: int, positions: int, width: int, outputs: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, positions, width)) + rng.normal(size=(positions, width))
    y = x @ rng.normal(size=(width, outputs)) + 0.3 * rng.normal(size=(n, positions, outputs))
    return torch.from_numpy(x), torch.from_numpy(y + rng.normal(size=(positions, outputs)))


def _normal_equations(x: np.ndarray, y: np.ndarray, shrinkage: float) -> np.ndarray:
    """Ridge the plain way, by solving the normal equations; the unit of shrinkage is the mean eigenvalue."""
    gram = x.T @ x
    return np.linalg.solve(gram + shrinkage * np.trace(gram) / len(gram) * np.eye(len(gram)), x.T @ y)


@pytest.mark.parametrize("shrinkage", [0.001, 0.1, 3.0])
def test_moments_solve_the_normal_equations_of_centred_positions(shrinkage: float) -> None:
    x, y = _data(30, 4, 6, 5)
    moments = Moments()
    for part in (slice(0, 7), slice(7, 29), slice(29, 30)):
        moments.add(x[part], y[part])
    path = moments.solve()
    cx, cy = (x - x.mean(0)).reshape(-1, 6).numpy(), (y - y.mean(0)).reshape(-1, 5).numpy()
    np.testing.assert_allclose(path.weights(shrinkage), _normal_equations(cx, cy, shrinkage), atol=1e-10)
    torch.testing.assert_close(path.mean_x, x.mean(0))
    torch.testing.assert_close(path.mean_y, y.mean(0))


def test_shards_do_not_matter() -> None:
    x, y = _data(64, 3, 8, 4)
    whole, parts = Moments(), Moments()
    whole.add(x, y)
    for i in range(64):
        parts.add(x[i : i + 1], y[i : i + 1])
    torch.testing.assert_close(whole.solve().weights(0.01), parts.solve().weights(0.01), rtol=1e-9, atol=1e-9)


def test_infinite_shrinkage_is_zero() -> None:
    x, y = _data(20, 2, 3, 2)
    moments = Moments()
    moments.add(x, y)
    assert not moments.solve().weights(math.inf).any()
    torch.testing.assert_close(
        Wide.fit(x[:, 0], y[:, 0]).predict(x[:, 0], [math.inf])[0], y[:, 0].mean(0).expand(20, 2)
    )


def test_constant_features_predict_the_mean() -> None:
    moments = Moments()
    moments.add(torch.ones(5, 2, 3), torch.randn(5, 2, 4, generator=torch.Generator().manual_seed(0)))
    assert not moments.solve().weights(0.1).abs().max() > 1e-6
    found = Wide.fit(torch.ones(5, 3), torch.arange(5.0)[:, None]).predict(torch.ones(2, 3), [0.1, math.inf])
    for points in found:
        torch.testing.assert_close(points, torch.full((2, 1), 2.0, dtype=torch.float64))


@pytest.mark.parametrize(("n", "width"), [(40, 6), (12, 50)])
def test_wide_solves_the_normal_equations_on_either_side(n: int, width: int) -> None:
    x, y = (t[:, 0] for t in _data(n, 1, width, 3))
    found = Wide.fit(x, y).predict(x, [0.05])[0].numpy()
    cx, cy = (x - x.mean(0)).numpy(), (y - y.mean(0)).numpy()
    gram = cx.T @ cx
    penalty = 0.05 * np.trace(gram) / min(n - 1, width)
    expected = cx @ np.linalg.solve(gram + penalty * np.eye(width), cx.T @ cy) + y.mean(0).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize(("n", "width"), [(15, 4), (9, 30)])
def test_left_out_residuals_are_those_of_leaving_out(n: int, width: int) -> None:
    """Brute force: fit n times without one sample, at the same absolute penalty."""
    x, y = (t[:, 0] for t in _data(n, 1, width, 2))
    fit = Wide.fit(x, y)
    found = fit.left_out(y, 0.2).numpy()
    penalty = 0.2 * fit.scale
    for i in range(n):
        keep = np.arange(n) != i
        xs, ys = x.numpy()[keep], y.numpy()[keep]
        cx, cy = xs - xs.mean(0), ys - ys.mean(0)
        weights = np.linalg.solve(cx.T @ cx + penalty * np.eye(width), cx.T @ cy)
        expected = y.numpy()[i] - (ys.mean(0) + (x.numpy()[i] - xs.mean(0)) @ weights)
        np.testing.assert_allclose(found[i], expected, atol=1e-8)


def test_the_floor_may_be_chosen() -> None:
    assert math.isinf(SHRINKAGES[-1])
    assert list(SHRINKAGES) == sorted(SHRINKAGES)
