from __future__ import annotations

import numpy as np
import pytest
import torch

from facebench.heads import mapping
from facebench.heads.mapping import HIDDEN, build_network, fit_mapping


def _faces(n: int, seed: int, *, known: bool = True) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pooled features whose products give the coefficients: what no linear head finds."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, size=(n, 4))
    y = np.stack([x[:, 0] * x[:, 1], np.abs(x[:, 2]) - 0.5], axis=1) if known else rng.normal(size=(n, 2))
    return torch.zeros(n, 1, 1, 1), torch.from_numpy(1e3 * x + 7).float(), torch.from_numpy(50 + 20 * y)


def test_it_finds_what_a_linear_head_cannot() -> None:
    head = fit_mapping(lambda: [_faces(300, 1), _faces(100, 2)], lambda: [_faces(80, 3)], seed=0)
    _, pooled, truth = _faces(200, 4)
    left = float((head.predict(pooled) - truth).square().mean() / (truth - truth.mean(dim=0)).square().mean())
    assert left < 0.2
    x = np.column_stack([pooled.numpy(), np.ones(200)])
    linear = x @ np.linalg.lstsq(x, truth.numpy(), rcond=None)[0]
    assert np.square(linear - truth.numpy()).mean() > 0.8 * float((truth - truth.mean(dim=0)).square().mean())
    assert float(head.chosen["part"]) > 0


def test_noise_gives_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "STEPS", 200)
    train, val = _faces(40, 1, known=False), _faces(400, 2, known=False)
    head = fit_mapping(lambda: [train], lambda: [val], seed=0)
    _, pooled, _ = _faces(20, 3)
    assert float((head.predict(pooled) - train[2].mean(dim=0)).abs().max()) < 0.3 * 20  # near it, or exactly it


def test_the_seed_decides_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "STEPS", 100)
    _, pooled, _ = _faces(10, 3)
    made = []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(noise)
        state = torch.get_rng_state()
        made.append(fit_mapping(lambda: [_faces(60, 1)], lambda: [_faces(20, 2)], seed=seed).predict(pooled))
        assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_channels_that_never_vary_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "STEPS", 50)
    tokens, pooled, truth = _faces(30, 1)
    flat = (tokens, torch.cat([pooled, torch.full((30, 1), 3.0)], dim=1), truth)
    assert bool(fit_mapping(lambda: [flat], lambda: [flat], seed=0).predict(flat[1]).isfinite().all())
    same = (tokens, torch.ones(30, 2), torch.ones(30, 2, dtype=torch.float64))
    assert torch.equal(fit_mapping(lambda: [same], lambda: [same], seed=0).predict(same[1]), same[2])


def test_the_network_is_micas() -> None:
    layers = [m for m in build_network(512, 300, torch.Generator().manual_seed(0)) if isinstance(m, torch.nn.Linear)]
    sizes = [(m.in_features, m.out_features) for m in layers]
    assert sizes == [(512, 256), (256, 256), (256, 256), (256, 256), (256, 300)]
    assert len(HIDDEN) == 4
    # He's start for a slope of 0.2: variance 2 / (1.04 x inputs); the last one uniform in ±1/sqrt(inputs), times 1/4.
    assert float(layers[0].weight.detach().std()) == pytest.approx((2 / 1.04 / 512) ** 0.5, rel=0.02)
    assert float(layers[-1].weight.detach().abs().max()) == pytest.approx(0.25 / 16, rel=0.02)
    assert not any(bool(m.bias.any()) for m in layers)
