"""The nearest-neighbour head of label maps: each token takes the labels of the training tokens that look like it.

Balazevic et al., "Towards In-Context Scene Understanding" (2023): a memory bank of training tokens, each with the
share of the classes in its patch; a token of another picture gets the weighted mean of the shares of its k nearest, and
the coarse map of shares is upsampled (bilinear). Place plays no part: a token knows only what the backbone put into it.
One thing is added: a patch is cut into s x s parts with a share each, so that 6 x 6 tokens still draw on a grid of at
least `FINE` parts. Of 96 pixels an eye is less than a patch (synthetic faces, val F1 of a small ViT with 6 x 6 tokens:
17.5 with s = 1, 27.8 with 2, 38.4 with 4; its linear head has 48.2).

The bank holds at most `BANK` tokens, drawn from all training tokens with a seed. As in the linear head, the label is
argmax of p_c / freq_c^g; val chooses neighbours, temperature and g by the mean F1 over foreground classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from facebench.heads.label_map import CHUNK, Pairs, PowerTables, class_weight, grid_of, one_hot, upsample
from facebench.heads.neighbours import Choice, Support, choices, weighted
from facebench.heads.subpatch import from_tokens, to_tokens

if TYPE_CHECKING:
    from torch import Tensor

FINE = 28
"""Least side of the map of shares, parts: the stride of 8 pixels at 224 that dense features are usually read at."""

BANK = 20_480
"""Most tokens in the bank. The paper's grows with the data (10^7 for ADE20K, on GPUs); this is for two cores."""


@dataclass(frozen=True, eq=False)
class NeighbourLabels:
    """A bank of tokens, and what val chose.

    Attributes:
        support: the bank's tokens, float32.
        shares: (M, C s²) float32, share of each class in the s x s parts of their patches.
        frequency: (C,) float32, share of each class in train.
        choice: neighbours and temperature.
        power: g.
    """

    support: Support
    shares: Tensor
    frequency: Tensor
    choice: Choice
    power: float

    @property
    def chosen(self) -> Mapping[str, str]:
        """What val chose, for the record, and the size of the bank."""
        return {**self.choice.chosen, "power": f"{self.power:g}", "bank": str(len(self.shares))}

    def predict(self, tokens: Tensor) -> Iterator[Tensor]:
        """Scores (C, G, G) float32 of each picture with `tokens` (n, D, h, w); the label is their argmax."""
        weight = class_weight(self.frequency, self.power)
        for at in range(0, len(tokens), CHUNK):
            part = tokens[at : at + CHUNK]
            (coarse,) = coarse_shares(self, part, [self.choice])
            yield from upsample(coarse, grid_of(part.shape[-1])) * weight


def fit_neighbour_labels(
    train: Callable[[], Pairs], val: Callable[[], Pairs], *, classes: int, seed: int
) -> NeighbourLabels:
    """Draw the bank from `train`, choose neighbours, temperature and power on `val`; each is read once."""
    tokens, shares, frequency = draw_bank(train(), classes=classes, seed=seed)
    tried = choices(len(tokens))
    head = NeighbourLabels(Support.of(tokens), shares, frequency, tried[0], 0.0)
    tables = [PowerTables(frequency, classes) for _ in tried]
    for seen, labels in val():
        for at in range(0, len(seen), CHUNK):
            part, truth = seen[at : at + CHUNK], labels[at : at + CHUNK]
            for table, coarse in zip(tables, coarse_shares(head, part, tried), strict=True):
                table.add(upsample(coarse, truth.shape[-1]), truth)
    scores = [table.best_score() for table in tables]
    best = max(range(len(tried)), key=lambda i: scores[i][0])  # of equal ones the fewest neighbours
    return replace(head, choice=tried[best], power=scores[best][1])


def coarse_shares(head: NeighbourLabels, tokens: Tensor, tried: Sequence[Choice]) -> list[Tensor]:
    """For each choice the shares (n, C, s h, s h) of pictures with `tokens` (n, D, h, h)."""
    import torch

    n, _, side, _ = tokens.shape
    parts: list[list[Tensor]] = [[] for _ in tried]
    for cosines, near in head.support.nearest(_flat(tokens), max(choice.neighbours for choice in tried)):
        values = head.shares[near]
        for found, choice in zip(parts, tried, strict=True):
            found.append(weighted(cosines, values, choice))
    rows = (torch.cat(found).reshape(n, side * side, -1) for found in parts)
    return [from_tokens(row, side, len(head.frequency)) for row in rows]


def draw_bank(train: Pairs, *, classes: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens (M, D) float32 and their shares (M, C s²) of at most `BANK` training tokens, and the frequency (C,).

    Every token draws a number in its turn and the least stay, so the bank depends on the seed and not on the shards.
    """
    import torch

    draw = np.random.default_rng(seed)
    tokens, shares, numbers = [], [], np.empty(0)
    total, count = torch.zeros(classes, dtype=torch.float64), 0
    for seen, labels in train:
        side = seen.shape[-1]
        fine = side * math.ceil(FINE / side)
        for at in range(0, len(seen), CHUNK):
            part = one_hot(labels[at : at + CHUNK], classes)
            shares.append(to_tokens(torch.nn.functional.adaptive_avg_pool2d(part, fine), side).flatten(0, 1))
            total += part.double().mean(dim=(2, 3)).sum(dim=0).cpu()
        tokens.append(_flat(seen))
        count += len(seen)
        numbers = np.concatenate([numbers, draw.random(len(tokens[-1]))])
        if len(numbers) > BANK:
            kept = np.sort(np.argpartition(numbers, BANK)[:BANK])
            tokens, shares, numbers = [torch.cat(tokens)[kept]], [torch.cat(shares)[kept]], numbers[kept]
    kept_shares = torch.cat(shares)
    return torch.cat(tokens), kept_shares, (total / count).to(kept_shares)


def _flat(maps: Tensor) -> Tensor:
    """Maps (n, D, h, w) as (n h w, D) float32, picture by picture, row by row."""
    return maps.float().permute(0, 2, 3, 1).flatten(0, 2)
