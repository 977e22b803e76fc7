"""Structured masks: which patches are replaced, the same number in every picture.

    random   any of them (KNOWN: "randomly selected")
    region   one region of the face as a whole, the rest of the number spread over the other regions in proportion to
             their size (KNOWN: "aligning with semantically meaningful facial regions"; INFERRED: FSFM's CRFR-P)
    block    rectangles, added until there are enough (INFERRED: BEiT)
    grid     all but one patch of each 2 x 2 cell (a lay summary: "takes a grid and covers up")

What a kind draws is then brought to the exact number by taking out or adding patches at random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from facebench.shapes import BoolArray, IntArray
from pretrain.method.regions import REGIONS
from pretrain.sections import MaskConfig, MaskKind

COVERED = tuple(REGIONS.index(name) for name in ("eyes", "brows", "nose", "mouth", "boundary", "hair"))
"""Regions that may be covered as a whole (CRFR-P: neither skin nor background)."""

BLOCK_SHARE = (16 / 196, 75 / 196)
"""Least and most patches of a rectangle, as a share of all (BEiT, masking_generator.py: 16 to 75 of 196)."""
BLOCK_ASPECT = (0.3, 1 / 0.3)
"""Least and largest height over width of a rectangle (BEiT)."""


def replaced_count(ratio: float, patches: int) -> int:
    """How many of `patches` are replaced: `ratio` of them, rounded down, and at least one."""
    return max(1, int(patches * ratio))


def draw_mask(regions: IntArray, config: MaskConfig, *, grid: int, rng: np.random.Generator) -> BoolArray:
    """The patches to replace in one picture, (L,) bool, row by row.

    Args:
        regions: (L,) region of each patch.
        config: the mixture and the ratio.
        grid: G, patches along each side.
        rng: what it draws from.
    """
    kinds = [kind for kind, weight in config.mixture.items() if weight > 0]
    weights = np.array([config.mixture[kind] for kind in kinds])
    kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
    count = replaced_count(config.ratio, grid * grid)
    wanted = _DRAWN[kind](regions, count, grid, rng)
    return _exactly(wanted, count, rng)


def _exactly(wanted: BoolArray, count: int, rng: np.random.Generator) -> BoolArray:
    """`wanted` with patches drawn out of it or added to it until there are `count`."""
    surplus = int(wanted.sum()) - count
    mask = wanted.copy()
    if surplus:
        pool = np.flatnonzero(wanted if surplus > 0 else ~wanted)
        mask[rng.choice(pool, abs(surplus), replace=False)] = surplus < 0
    return mask


def _random(regions: IntArray, count: int, grid: int, rng: np.random.Generator) -> BoolArray:
    del regions, count, rng
    return np.zeros(grid * grid, dtype=bool)  # filled up at random afterwards


def _region(regions: IntArray, count: int, grid: int, rng: np.random.Generator) -> BoolArray:
    del grid
    present = [r for r in COVERED if (regions == r).any()]
    mask = np.zeros(len(regions), dtype=bool)
    if present:
        mask = regions == present[rng.integers(len(present))]
    rest, missing = ~mask, count - int(mask.sum())
    if missing <= 0:
        return mask
    share = missing / int(rest.sum())
    for region in range(len(REGIONS)):
        pool = np.flatnonzero(rest & (regions == region))
        mask[rng.choice(pool, int(share * len(pool)), replace=False)] = True
    return mask


def _block(regions: IntArray, count: int, grid: int, rng: np.random.Generator) -> BoolArray:
    del regions
    mask = np.zeros((grid, grid), dtype=bool)
    least, most = (max(1, round(share * grid * grid)) for share in BLOCK_SHARE)
    while mask.sum() < count:
        area = rng.uniform(least, most + 1)
        aspect = np.exp(rng.uniform(*np.log(BLOCK_ASPECT)))
        height = int(np.clip(round(np.sqrt(area * aspect)), 1, grid))
        width = int(np.clip(round(np.sqrt(area / aspect)), 1, grid))
        top, left = rng.integers(grid - height + 1), rng.integers(grid - width + 1)
        mask[top : top + height, left : left + width] = True
    return mask.reshape(-1)


def _grid(regions: IntArray, count: int, grid: int, rng: np.random.Generator) -> BoolArray:
    del regions, count
    row, column = rng.integers(2, size=2)
    kept = np.zeros((grid, grid), dtype=bool)
    kept[row::2, column::2] = True
    return ~kept.reshape(-1)


_DRAWN: Mapping[MaskKind, Callable[[IntArray, int, int, np.random.Generator], BoolArray]] = {
    "random": _random,
    "region": _region,
    "block": _block,
    "grid": _grid,
}
