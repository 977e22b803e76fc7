"""Each method learns sixteen pictures, under one mask each, by heart."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from pretrain.batch import Clock
from tests.pretrain.small import SIZE, small_batch, small_method

STEPS, RATE = 300, 2e-3


def sixteen():
    """Smooth pictures, so that what is replaced can be told from what is not, and by heart."""
    source = torch.Generator().manual_seed(1)
    coarse = torch.rand(16, 3, 6, 6, generator=source)
    return replace(
        small_batch(16), images=functional.interpolate(coarse, size=(SIZE, SIZE), mode="bicubic").clamp(0, 1)
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "left"), [("paco-fr", 0.2), ("mae", 0.45), ("simmim", 0.2)])
def test_the_error_of_replaced_patches_falls_below(name, left):
    # A patch that is told by its mean alone has an error of 1. MAE has a quarter of the tokens and learns more slowly.
    batch, method = sixteen(), small_method(name, codebook={"size": 64, "kmeans_patches": 256})
    method.start(iter([batch]))
    optimizer = torch.optim.AdamW(method.parameter_groups(), lr=RATE)
    errors = []
    for step in range(STEPS):
        clock = Clock(step, STEPS, STEPS / 10, seed=0)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 20) * (1 - step / STEPS)
        outcome = method(batch, clock)
        optimizer.zero_grad()
        outcome.loss.backward()
        torch.nn.utils.clip_grad_norm_(method.parameters(), 1.0)
        optimizer.step()
        method.after_step([outcome], clock, optimizer)
        errors.append(float(outcome.parts["rec"]))
    assert errors[0] > 0.9
    assert sum(errors[-10:]) / 10 < left
    if name == "paco-fr":
        assert float(outcome.parts["context_gain"]) > 0.5  # more than its codes alone could tell
        assert method.health(batch, clock)["code_reliance"] > 1.5
