"""PaCo-FR and its baselines with few weights, and pictures for them: 16 patches of 8 pixels, 12 of them replaced."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from pretrain.batch import Batch, Clock
from pretrain.config import PretrainConfig
from pretrain.method.masking import draw_mask
from pretrain.method.methods import build_method
from pretrain.method.regions import region_map

SIZE, SIDE, GRID, TOKENS = 32, 8, 4, 16
PATCHES, REPLACED, PIXELS = GRID**2, 12, 3 * SIDE**2

_DEFAULTS: dict[str, dict[str, Any]] = {
    "encoder": {"arch": "vit_tiny_patch16_224", "img_size": SIZE, "patch_size": SIDE, "depth": 2},
    "codebook": {"size": TOKENS, "key_dim": 8, "kmeans_patches": 64},
    "belief": {"hidden": 32},
    "decoder": {"width": 32, "depth": 1, "heads": 2},
    "optim": {"batch": 4},
}


def small_config(method: str = "paco-fr", **sections: dict[str, Any]) -> PretrainConfig:
    """The configuration of a small method; `sections` change single fields of it."""
    names = _DEFAULTS.keys() | sections.keys()
    merged = {name: _DEFAULTS.get(name, {}) | sections.get(name, {}) for name in names}
    return PretrainConfig.model_validate({"method": method, **merged})


def small_method(method: str = "paco-fr", **sections: dict[str, Any]) -> Any:
    """A small method in training mode."""
    return build_method(small_config(method, **sections)).train()


def pictures(n: int, seed: int = 0) -> torch.Tensor:
    """Pictures (n, 3, SIZE, SIZE) in [0, 1]: noise about a shade and a slope of their own, so that patches differ."""
    source = torch.Generator().manual_seed(seed)
    shade, slope = (torch.rand(n, 3, 1, 1, generator=source) for _ in range(2))
    ramp = torch.linspace(-1, 1, SIZE) + torch.linspace(-1, 1, SIZE)[:, None]
    noise = torch.rand(n, 3, SIZE, SIZE, generator=source)
    return (shade + 0.3 * (slope - 0.5) * ramp + 0.3 * (noise - 0.5)).clamp(0, 1)


def small_batch(n: int = 4, *, seed: int = 0, first: int = 0, total: int | None = None) -> Batch:
    """Pictures with masks, of which three quarters of the patches are replaced."""
    rng = np.random.default_rng(seed)
    regions = region_map(None, source="template", size=SIZE, grid=GRID)
    masks = np.stack([draw_mask(regions, small_config().mask, grid=GRID, rng=rng) for _ in range(n)])
    labels = torch.from_numpy(np.tile(regions, (n, 1)))
    names = tuple(f"picture-{seed}-{i}" for i in range(n))
    return Batch(pictures(n, seed), torch.from_numpy(masks), labels, names, first, total or n)


def part_of(batch: Batch, start: int, stop: int) -> Batch:
    """Pictures `start` to `stop` of a batch as a micro-batch of it."""
    cut = slice(start, stop)
    names = batch.ids[cut]
    return Batch(batch.images[cut], batch.replaced[cut], batch.regions[cut], names, batch.first + start, batch.total)


def at(step: int = 1, *, epoch: float = 2.0, seed: int = 0) -> Clock:
    """The clock at `step`, from 1, of a long training, in its `epoch`: by default after incubation."""
    return Clock(step, 1000, step / epoch if epoch else math.inf, seed)
