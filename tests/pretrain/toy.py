"""A method small enough to train in a second, pictures made of noise, and a run of both."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pretrain import ranks
from pretrain.batch import Batch, Clock, Outcome
from pretrain.config import PretrainConfig

SIDE = 4
"""Pixels of a picture's side; one patch is the whole picture."""


class Toy(nn.Module):
    """Predicts a picture from a noisy one; has a part that only its first epoch trains, and a buffer of its own."""

    side = SIDE
    teacher = None

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(3 * SIDE * SIDE, width), nn.LayerNorm(width))
        self.blocks = nn.ModuleList([nn.Linear(width, width)])
        self.decoder = nn.Linear(width, 3 * SIDE * SIDE)
        self.early = nn.Linear(width, 1)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("started", torch.zeros(()))

    def forward(self, batch: Batch, clock: Clock) -> Outcome:
        flat = batch.images.flatten(1)
        noise = torch.rand(batch.total, flat.shape[1], generator=ranks.generator(flat.device, clock.seed, clock.step))
        hidden = self.blocks[0](self.encoder(flat + noise[batch.first : batch.first + len(flat)]))
        rec = (self.decoder(hidden) - flat).square().mean()
        parts = {"rec": rec}
        loss = rec
        if clock.epoch < 1:
            parts["incubation"] = self.early(hidden).square().mean()
            loss = loss + 0.1 * parts["incubation"]
        return Outcome(loss, {n: v.detach() for n, v in parts.items()}, {"sum": flat.sum().detach()})

    def start(self, batches: Any) -> None:
        with torch.no_grad():
            self.started.copy_(next(iter(batches)).images.sum())

    def after_step(self, outcomes: Sequence[Outcome], clock: Clock, optimizer: Any) -> Mapping[str, float]:
        self.mean.lerp_(ranks.total(torch.stack([o.state["sum"] for o in outcomes]).sum()), 0.1)
        return {"perplexity": float(self.mean), "restarts": float(clock.step % 2)}

    def parameter_groups(self) -> list[dict[str, Any]]:
        named = dict(self.named_parameters())
        return [
            {"params": [p for n, p in named.items() if p.ndim > 1], "weight_decay": 0.05, "lr_scale": 1.0},
            {"params": [p for n, p in named.items() if p.ndim == 1], "weight_decay": 0.0, "lr_scale": 2.0},
        ]


@dataclass(frozen=True)
class Noise:
    """A source of pictures that are noise, picture k of the stream always the same.

    Attributes:
        config: of the run.
        pictures: of an epoch.
        digest: of the list of them.
        poison: step whose last picture holds a NaN.
    """

    config: PretrainConfig
    pictures: int = 40
    digest: str = "d" * 64
    poison: int | None = None

    def steps(self, first: int, *, rank: int, world: int, patch: int) -> Generator[Sequence[Batch]]:
        optim = self.config.optim
        size = optim.batch // (world * optim.accumulate)
        step = first
        while True:
            starts = range(rank * optim.accumulate * size, (rank + 1) * optim.accumulate * size, size)
            yield [self._batch(step, start, size, patch) for start in starts]
            step += 1

    def _batch(self, step: int, first: int, size: int, patch: int) -> Batch:
        total, side = self.config.optim.batch, self.config.encoder.img_size
        numbers = [(step * total + first + i) % self.pictures for i in range(size)]
        images = torch.stack([picture(n, side) for n in numbers])
        if step == self.poison and first + size == total:
            images[-1] = torch.nan
        replaced = torch.stack([mask(n, (side // patch) ** 2) for n in numbers])
        regions = torch.zeros_like(replaced, dtype=torch.long)
        return Batch(images, replaced, regions, ids=tuple(f"face{n}" for n in numbers), first=first, total=total)


def picture(number: int, side: int = SIDE) -> Tensor:
    """Noise of few frequencies, so that there is something to learn."""
    generator = torch.Generator().manual_seed(number)
    coarse = torch.rand(1, 3, 4, 4, generator=generator)
    return nn.functional.interpolate(coarse, (side, side), mode="bilinear")[0]


def mask(number: int, patches: int) -> Tensor:
    """Three patches of four, at random; the only one where there is but one."""
    order = torch.randperm(patches, generator=torch.Generator().manual_seed(1000 + number))
    return order < max(1, 3 * patches // 4)


def configured(output: Path, **sections: Mapping[str, Any] | str) -> PretrainConfig:
    """A run of twenty steps, five an epoch, that logs every step; `sections` change it."""
    tree: dict[str, Any] = {
        "encoder": {"arch": "test_vit", "img_size": SIDE},
        "optim": {"batch": 8, "steps": 20, "base_lr": 0.3},
        "run": {"output": output, "log_every": 1, "save_every": 5, "picture_every": 0, "tensorboard": False},
    }
    for name, fields in sections.items():
        tree[name] = fields if isinstance(fields, str) else tree.get(name, {}) | dict(fields)
    return PretrainConfig.model_validate(tree)


def tiny(method: str, output: Path, **sections: Mapping[str, Any]) -> PretrainConfig:
    """A run of a real method on pictures of four patches."""
    small: dict[str, Any] = {
        "method": method,
        "encoder": {"arch": "test_vit", "img_size": 32},
        "codebook": {"size": 8, "candidates": 2, "key_dim": 4, "restart_every": 4},
        "decoder": {"width": 16, "depth": 1, "heads": 2},
        "optim": {"batch": 8, "steps": 20, "base_lr": 0.05},
    }
    merged = {
        name: fields if isinstance(fields, str) else fields | sections.get(name, {}) for name, fields in small.items()
    }
    return configured(output, **(sections | merged))
