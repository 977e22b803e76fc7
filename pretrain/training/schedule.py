"""The learning rate of a step: a linear rise, then half a cosine down to 0. A pure function, so nothing to store."""

from __future__ import annotations

import math

from pretrain.sections import OptimConfig

REFERENCE_BATCH = 256
"""The batch that `optim.base_lr` is for (Goyal et al. 2017; MAE, BEiT)."""


def learning_rate(step: int, steps: int, optim: OptimConfig) -> float:
    """Learning rate of `step`, from 0, of a training of `steps`.

    With w = round(warmup * steps) and peak = base_lr * batch / 256: peak * (step + 1) / w while step < w, so that no
    step is wasted on a rate of 0; then peak * (1 + cos(pi * (step - w) / (steps - w))) / 2.
    """
    peak = optim.base_lr * optim.batch / REFERENCE_BATCH
    rising = round(optim.warmup * steps)
    if step < rising:
        return peak * (step + 1) / rising
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))


def step_count(optim: OptimConfig, pictures: int) -> int:
    """Steps of a training on `pictures` pictures: as given, or enough for the epochs, the last one filled up."""
    return optim.steps or max(1, math.ceil(optim.epochs * pictures / optim.batch))
