from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from facebench.heads import label_map
from facebench.heads.label_map import (
    Pairs,
    ParsingHead,
    class_weight,
    coarsen,
    fit_parsing,
    grid_of,
    mean_f1,
    one_hot,
    upsample,
)

SIDE = 7
Pictures = tuple[torch.Tensor, torch.Tensor]


def _pictures(n: int, *, seed: int = 0, blind: bool = False) -> Pictures:
    """A disc with a small square in it; tokens hold the share of each under them, and where it lies."""
    rng = np.random.default_rng(seed)
    grid = grid_of(SIDE)
    y, x = np.mgrid[:grid, :grid] / grid
    labels = np.zeros((n, grid, grid), np.uint8)
    for i in range(n):
        cx, cy = rng.uniform(0.42, 0.58, 2)
        labels[i][np.hypot(x - cx, y - cy) < 0.3] = 1
        labels[i][(np.abs(x - cx) < 0.07) & (np.abs(y - cy) < 0.05)] = 2
    cells = np.eye(3)[labels].reshape(n, SIDE, grid // SIDE, SIDE, grid // SIDE, 3)
    half = grid // SIDE // 2
    parts = [cells.mean((2, 4)), cells[:, :, :half].mean((2, 4)), cells[:, :, :, :, :half].mean((2, 4))]
    maps = np.concatenate(parts, axis=3).transpose(0, 3, 1, 2)
    maps = rng.normal(size=maps.shape) if blind else maps + rng.normal(0, 0.02, maps.shape)
    return torch.from_numpy(maps).float(), torch.from_numpy(labels)


def _shards(pictures: Pictures, size: int = 9) -> Callable[[], Pairs]:
    return lambda: ((pictures[0][i : i + size], pictures[1][i : i + size]) for i in range(0, len(pictures[0]), size))


def _fit(*, blind: bool = False, n: int = 60) -> ParsingHead:
    train, val = _pictures(n, seed=1, blind=blind), _pictures(20, seed=2, blind=blind)
    return fit_parsing(_shards(train), _shards(val), classes=3)


def _f1(labels: torch.Tensor, truth: torch.Tensor) -> float:
    return _set_f1(labels.flatten().numpy(), truth.flatten().numpy(), [1, 2])


def _set_f1(found: np.ndarray, truth: np.ndarray, classes: list[int]) -> float:
    """Dice of the two sets of cells of each class, and its mean."""
    sets = [({*np.flatnonzero(found == c).tolist()}, {*np.flatnonzero(truth == c).tolist()}) for c in classes]
    return float(np.mean([2 * len(a & b) / (len(a) + len(b)) for a, b in sets]))


def _labels(head: ParsingHead, tokens: torch.Tensor) -> torch.Tensor:
    return torch.stack([scores.argmax(dim=0) for scores in head.predict(tokens)])


def test_the_grid_is_a_multiple_of_the_map() -> None:
    assert [grid_of(side) for side in (3, 7, 14, 16, 56, 112, 128)] == [114, 112, 112, 112, 112, 112, 128]


def test_a_small_square_is_drawn_from_seven_tokens() -> None:
    """The square is as large as one token: seven tokens a side, sixteen cells each, and its place is between them."""
    head = _fit()
    tokens, truth = _pictures(20, seed=3)
    found = _labels(head, tokens)
    floor = head.prior.argmax(dim=0).expand_as(truth)
    assert _f1(found, truth) > 0.85
    assert _f1(floor, truth) < 0.75


def test_noise_is_no_better_and_hardly_worse_than_the_floor() -> None:
    head = _fit(blind=True)
    tokens, truth = _pictures(20, seed=3, blind=True)
    floor = (head.prior * class_weight(head.frequency, head.power)).argmax(dim=0).expand_as(truth)
    assert abs(_f1(_labels(head, tokens), truth) - _f1(floor, truth)) < 0.05


def test_infinite_shrinkage_is_the_majority_label() -> None:
    fitted = _fit()
    assert fitted.detail is not None
    head = replace(fitted, layout_shrinkage=math.inf, weights=fitted.detail.weights(math.inf).float(), power=0.0)
    tokens, _ = _pictures(5, seed=3)
    majority = one_hot(_pictures(60, seed=1)[1], 3).mean(dim=0).argmax(dim=0)
    assert torch.equal(_labels(head, tokens), majority.expand(5, -1, -1))


def test_batches_do_not_matter() -> None:
    head = _fit()
    tokens, _ = _pictures(11, seed=3)
    one_by_one = torch.cat([torch.stack(list(head.predict(t[None]))) for t in tokens])
    torch.testing.assert_close(torch.stack(list(head.predict(tokens))), one_by_one, atol=1e-5, rtol=0)


def test_two_pictures_are_enough_to_run() -> None:
    assert torch.isfinite(torch.stack(list(_fit(n=2).predict(_pictures(3, seed=3)[0])))).all()


def test_coarse_maps_are_means_and_come_back_in_place() -> None:
    labels = torch.zeros(1, 112, 112, dtype=torch.uint8)
    labels[0, :56] = 1
    coarse = coarsen(one_hot(labels, 2)).reshape(1, 2, 14, 14)
    assert coarse[0, 1, :7].eq(1).all()
    assert coarse[0, 1, 7:].eq(0).all()
    back = upsample(coarse, 112)[0, 1, :, 0]
    assert back[55] > 0.5 > back[56]


def test_mean_f1_is_the_dice_of_sets() -> None:
    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, 5, 4000), rng.integers(0, 6, 4000)
    table = np.zeros((6, 6))
    np.add.at(table, (truth, found), 1)
    expected = _set_f1(found, truth, [1, 2, 3, 4])  # class 5 is absent from the truth
    assert mean_f1(torch.from_numpy(table)) == pytest.approx(expected)


def test_detail_is_fitted_on_layouts_that_left_the_picture_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brute force: the layout of picture i by a regression that never saw it."""
    seen: list[tuple[ParsingHead, torch.Tensor]] = []
    fit_detail = label_map._fit_detail

    def spy(head, train, laid_out, classes):  # type: ignore[no-untyped-def]
        seen.append((head, laid_out))
        return fit_detail(head, train, laid_out, classes)

    monkeypatch.setattr(label_map, "_fit_detail", spy)
    pictures = _pictures(12, seed=1)
    label_map.fit_parsing(_shards(pictures), _shards(_pictures(6, seed=2)), classes=3)
    head, laid_out = seen[0]
    x = head.summary(pictures[0]).float().double().numpy()
    y = coarsen(one_hot(pictures[1], 3)).double().numpy()
    penalty = head.layout_shrinkage * head.layout.scale
    for i in (0, 7):
        keep = np.arange(12) != i
        cx, cy = x[keep] - x[keep].mean(0), y[keep] - y[keep].mean(0)
        dual = np.linalg.solve(cx @ cx.T + penalty * np.eye(11), cy)
        expected = y[keep].mean(0) + (x[i] - x[keep].mean(0)) @ cx.T @ dual - y.mean(0)
        np.testing.assert_allclose(laid_out[i], expected, atol=1e-6)
