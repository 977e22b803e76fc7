"""Masks: exact counts, what each kind covers, and the mixture."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretrain.method import masking
from pretrain.method.masking import COVERED, draw_mask, replaced_count
from pretrain.method.regions import REGIONS, region_map
from pretrain.sections import MaskConfig

KINDS = ("random", "region", "block", "grid")
FACE = region_map(None, source="template", size=224, grid=14)


def config(kind, ratio=0.75):
    return MaskConfig(mixture={kind: 1.0}, ratio=ratio)


def drawn(kind, seed, *, ratio=0.75, regions=FACE, grid=14):
    return draw_mask(regions, config(kind, ratio), grid=grid, rng=np.random.default_rng(seed))


@given(st.sampled_from(KINDS), st.integers(2, 20), st.floats(0.05, 0.95), st.integers(0, 2**32 - 1))
def test_every_kind_replaces_exactly_as_many_as_asked(kind, grid, ratio, seed):
    ratio = 0.75 if kind == "grid" else ratio
    rng = np.random.default_rng(seed)
    regions = rng.integers(len(REGIONS), size=grid * grid)
    mask = draw_mask(regions, config(kind, ratio), grid=grid, rng=rng)
    assert mask.shape == (grid * grid,)
    assert mask.dtype == bool
    assert mask.sum() == replaced_count(ratio, grid * grid) == max(1, int(grid * grid * ratio))


@pytest.mark.parametrize(
    ("ratio", "patches", "count"), [(0.75, 196, 147), (0.75, 49, 36), (0.4, 196, 78), (0.01, 16, 1)]
)
def test_counts_by_hand(ratio, patches, count):
    assert replaced_count(ratio, patches) == count


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_depends_on_the_generator_alone(kind):
    assert np.array_equal(drawn(kind, 7), drawn(kind, 7))
    assert any(not np.array_equal(drawn(kind, 7), drawn(kind, seed)) for seed in range(20))


def test_a_region_mask_covers_one_region_whole_and_the_rest_in_proportion():
    whole = Counter()
    for seed in range(60):
        mask = drawn("region", seed)
        covered = [r for r in COVERED if mask[r == FACE].all()]
        assert covered
        # The region that was drawn: the others are covered at the common share, give or take the rounding.
        for region in covered:
            rest = region != FACE
            share = (147 - (~rest).sum()) / rest.sum()
            expected = [share * (rest & (r == FACE)).sum() for r in range(len(REGIONS))]
            found = [(mask & rest & (r == FACE)).sum() for r in range(len(REGIONS))]
            if all(f >= int(e) for f, e in zip(found, expected, strict=True)):
                whole[region] += 1
                # Rounding down leaves fewer than one a region to be drawn anywhere.
                assert sum(found) - sum(int(e) for e in expected) < len(REGIONS)
                break
        else:
            raise AssertionError("no region is covered with the rest in proportion")
    assert set(whole) == {r for r in COVERED if (r == FACE).any()}


def test_a_region_larger_than_the_mask_keeps_a_random_part():
    regions = np.full(16, REGIONS.index("hair"))
    regions[0] = REGIONS.index("skin")
    masks = [drawn("region", seed, ratio=0.5, regions=regions, grid=4) for seed in range(20)]
    assert all(not mask[0] and mask.sum() == 8 for mask in masks)
    assert len({mask.tobytes() for mask in masks}) > 10


def test_without_a_region_to_cover_the_mask_is_spread_over_what_there_is():
    regions = np.full(16, REGIONS.index("background"))
    assert drawn("region", 3, regions=regions, grid=4).sum() == 12


@pytest.mark.parametrize("grid", [4, 8, 14])
def test_a_grid_mask_keeps_one_patch_of_each_cell(grid):
    seen = set()
    for seed in range(30):
        mask = drawn("grid", seed, regions=np.zeros(grid * grid, int), grid=grid).reshape(grid, grid)
        kept = [
            tuple(np.argwhere(~mask[i : i + 2, j : j + 2])[0]) for i in range(0, grid, 2) for j in range(0, grid, 2)
        ]
        assert (~mask).sum() == len(kept) == grid * grid // 4
        assert len(set(kept)) == 1
        seen.add(kept[0])
    assert seen == {(0, 0), (0, 1), (1, 0), (1, 1)}


def is_union_of_rectangles(mask, least):
    """Whether every replaced patch lies in a rectangle of replaced patches that has at least `least` of them."""
    side = len(mask)
    inside = np.zeros_like(mask)
    for top in range(side):
        for left in range(side):
            for bottom in range(top + 1, side + 1):
                for right in range(left + 1, side + 1):
                    part = mask[top:bottom, left:right]
                    if part.size >= least and part.all():
                        inside[top:bottom, left:right] = True
    return np.array_equal(inside, mask)


def test_a_block_mask_is_made_of_rectangles_before_it_is_trimmed():
    # BEiT: no rectangle has fewer than 16 of 196 patches; its sides are rounded, so a little less than 16 may come out.
    for seed in range(4):
        rng = np.random.default_rng(seed)
        untrimmed = masking._block(FACE, 60, 14, rng).reshape(14, 14)
        assert untrimmed.sum() >= 60
        assert is_union_of_rectangles(untrimmed, 12)
        trimmed = drawn("block", seed, ratio=60.5 / 196)
        assert trimmed.sum() == 60


def test_a_block_mask_hangs_together_more_than_a_random_one():
    def neighbours(mask):
        mask = mask.reshape(14, 14)
        return (mask[1:] == mask[:-1]).mean() + (mask[:, 1:] == mask[:, :-1]).mean()

    block, random = (np.mean([neighbours(drawn(k, s, ratio=0.4)) for s in range(20)]) for k in ("block", "random"))
    assert block > random + 0.5


def test_random_masks_replace_each_patch_equally_often():
    share = np.mean([drawn("random", seed) for seed in range(400)], axis=0)
    # Standard deviation of a share is sqrt(0.75 * 0.25 / 400) = 0.022; five of them over 196 patches.
    assert np.abs(share - 0.75).max() < 5 * 0.022


def test_the_mixture_is_drawn_by_its_weights(monkeypatch):
    counts = Counter()

    def noting(kind):
        def draw(regions, count, grid, rng):
            counts[kind] += 1
            return np.zeros(grid * grid, bool)

        return draw

    monkeypatch.setattr(masking, "_DRAWN", {kind: noting(kind) for kind in KINDS})
    mixed = MaskConfig(mixture={"region": 3.0, "random": 1.0, "block": 0.0}, ratio=0.75)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        draw_mask(FACE, mixed, grid=14, rng=rng)
    # sqrt(2000 * 0.75 * 0.25) = 19.4 is a standard deviation.
    assert abs(counts["region"] - 1500) < 4 * 19.4
    assert counts["region"] + counts["random"] == 2000
