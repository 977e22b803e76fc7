from __future__ import annotations

import pytest

from pretrain.sections import OptimConfig
from pretrain.training.schedule import learning_rate, step_count

# peak = 1e-3 * 512 / 256 = 2e-3; of 20 steps round(0.2 * 20) = 4 rise.
OPTIM = OptimConfig(base_lr=1e-3, batch=512, warmup=0.2)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 0.5e-3),  # 2e-3 * 1/4
        (1, 1.0e-3),
        (3, 2.0e-3),
        (4, 2.0e-3),  # cos 0 = 1
        (8, 2e-3 * (1 + 0.5**0.5) / 2),  # cos(pi 4/16) = sqrt(1/2)
        (12, 1.0e-3),  # cos(pi/2) = 0
        (19, 2e-3 * (1 - 0.980785280403) / 2),  # cos(pi 15/16)
        (20, 0.0),
    ],
)
def test_rates_by_hand(step, rate):
    assert learning_rate(step, 20, OPTIM) == pytest.approx(rate, rel=1e-9, abs=1e-15)


def test_no_warm_up_begins_at_the_peak():
    assert learning_rate(0, 10, OptimConfig(base_lr=1e-3, batch=256, warmup=0)) == 1e-3


def test_warm_up_alone_never_falls():
    optim = OptimConfig(base_lr=1e-3, batch=256, warmup=1)
    assert [learning_rate(step, 4, optim) for step in range(4)] == pytest.approx([0.25e-3, 0.5e-3, 0.75e-3, 1e-3])


def test_steps_of_a_training():
    assert step_count(OptimConfig(epochs=3, batch=8), 20) == 8  # 60 pictures are 7.5 steps
    assert step_count(OptimConfig(epochs=0.01, batch=8), 20) == 1
    assert step_count(OptimConfig(epochs=3, steps=5, batch=8), 20) == 5
