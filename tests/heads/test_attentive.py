"""Attentive heads: they find what linear ones cannot, never fall behind them on val, and depend on their seed alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facebench.heads import attentive, attentive_landmarks, attentive_parsing
from facebench.heads.attentive_landmarks import fit_attentive_landmarks
from facebench.heads.attentive_parsing import fit_attentive_parsing
from facebench.heads.attentive_shape import fit_attentive_shape
from facebench.heads.heatmap import fit_landmarks
from facebench.heads.label_map import fit_parsing, grid_of
from facebench.heads.shape import fit_shape

SIDE, CHANNELS = 4, 6


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attentive, "STEPS", 200)
    monkeypatch.setattr(attentive_parsing, "STEPS", 200)


def _marked(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens of which one, anywhere, says by its first channel that its others are the answer."""
    rng = np.random.default_rng(seed)
    tokens = rng.normal(0, 0.7, size=(n, CHANNELS, SIDE, SIDE)).astype(np.float32)
    y, x = rng.integers(0, SIDE, size=(2, n))
    tokens[:, 0] = 0
    tokens[np.arange(n), 0, y, x] = 4
    answer = tokens[np.arange(n), 1:3, y, x].astype(np.float64)
    pooled = torch.from_numpy(tokens).mean(dim=(2, 3))
    return torch.from_numpy(tokens), pooled, torch.from_numpy(answer)


def test_a_query_finds_the_token_that_is_marked(monkeypatch):
    monkeypatch.setattr(attentive, "STEPS", 600)
    train, val, test = _marked(600, 1), _marked(150, 2), _marked(150, 3)
    head = fit_attentive_shape(lambda: [train], lambda: [val], seed=0)
    linear = fit_shape(lambda: [train], lambda: [val])
    errors = [float((h.predict(test[0], test[1]) - test[2]).square().mean()) for h in (head, linear)]
    assert errors[0] < 0.6 * errors[1]
    assert float(head.chosen["attentive_part"]) > 0


def _noise(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    tokens = torch.from_numpy(rng.normal(size=(n, CHANNELS, SIDE, SIDE)).astype(np.float32))
    return tokens, tokens.mean(dim=(2, 3)), torch.from_numpy(rng.normal(size=(n, 2)))


def test_noise_teaches_it_nothing():
    train, val, test = _noise(60, 1), _noise(800, 2), _noise(50, 3)
    head = fit_attentive_shape(lambda: [train], lambda: [val], seed=0)
    linear = fit_shape(lambda: [train], lambda: [val])
    apart = (head.predict(test[0], test[1]) - linear.predict(test[0], test[1])).abs().max()
    assert float(apart) < 0.5  # of targets with deviation 1: near the linear head, or exactly it


def _faces(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Landmarks that lie where a blob of tokens lies."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.3, 0.7, size=(n, 3, 2))
    cells = (np.arange(SIDE) + 0.5) / SIDE
    away = (cells[None, None, None, :] - points[:, :, 0, None, None]) ** 2
    away = away + (cells[None, None, :, None] - points[:, :, 1, None, None]) ** 2
    tokens = np.concatenate([np.exp(-8 * away), rng.normal(size=(n, 3, SIDE, SIDE))], axis=1)
    return torch.from_numpy(tokens.astype(np.float32)), torch.from_numpy(points)


def test_landmarks_are_no_worse_than_the_linear_head_on_val():
    train, val = _faces(120, 1), _faces(60, 2)
    head = fit_attentive_landmarks(lambda: [train], lambda: [val], seed=0)
    linear = fit_landmarks(lambda: [train], lambda: [val])
    errors = [float((h.predict(val[0]) - val[1]).norm(dim=2).mean()) for h in (head, linear)]
    assert errors[0] <= errors[1]


def test_what_the_reader_learns_from_was_predicted_without_it():
    tokens, points = _faces(40, 1)
    val = _faces(30, 2)
    before = attentive_landmarks._unseen(tokens, points, lambda: [val])
    moved = points.clone()
    moved[0] += 0.2  # the truth of one face may not reach the prediction for it
    after = attentive_landmarks._unseen(tokens, moved, lambda: [val])
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])


def _maps(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two classes beside background, told apart by the product of two channels: nothing a linear head can use."""
    rng = np.random.default_rng(seed)
    tokens = rng.choice([-1.0, 1.0], size=(n, CHANNELS, SIDE, SIDE)).astype(np.float32)
    labels = np.where(tokens[:, 0] * tokens[:, 1] > 0, 1, 2).astype(np.uint8)
    scale = grid_of(SIDE) // SIDE
    return torch.from_numpy(tokens), torch.from_numpy(labels.repeat(scale, axis=1).repeat(scale, axis=2))


def _accuracy(head: object, pair: tuple[torch.Tensor, torch.Tensor]) -> float:
    found = torch.stack([scores.argmax(dim=0) for scores in head.predict(pair[0])])  # type: ignore[attr-defined]
    return float((found == pair[1]).float().mean())


def test_the_decoder_draws_what_no_linear_head_can():
    train, val, test = _maps(60, 1), _maps(20, 2), _maps(20, 3)
    head = fit_attentive_parsing(lambda: [train], lambda: [val], classes=3, seed=0)
    linear = fit_parsing(lambda: [train], lambda: [val], classes=3)
    assert _accuracy(linear, test) < 0.65
    assert _accuracy(head, test) > 0.9


def test_seed_and_batch():
    train, val, test = _marked(100, 1), _marked(40, 2), _marked(9, 3)
    heads = [fit_attentive_shape(lambda: [train], lambda: [val], seed=s) for s in (0, 0, 1)]
    found = [head.predict(test[0], test[1]) for head in heads]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2]) or heads[0].chosen["attentive_part"] == "0"
    alone = torch.cat([heads[0].predict(test[0][i : i + 1], test[1][i : i + 1]) for i in range(9)])
    assert torch.allclose(alone, found[0], rtol=1e-5, atol=1e-5)


def test_the_global_generator_is_left_alone():
    train, val = _marked(60, 1), _marked(30, 2)
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    fit_attentive_shape(lambda: [train], lambda: [val], seed=0)
    assert torch.equal(torch.rand(3), wanted)
