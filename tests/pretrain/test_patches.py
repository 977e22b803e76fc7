"""Patches against loops and numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pretrain.method.patches import EPSILON, patchify, standardise, unpatchify


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5))
def test_a_round_trip_changes_nothing(n, grid, side):
    images = torch.rand(n, 3, grid * side, grid * side)
    assert torch.equal(unpatchify(patchify(images, side), side), images)


def test_pixels_are_ordered_row_column_channel_and_patches_row_by_row():
    side, grid = 2, 3
    images = torch.rand(2, 3, grid * side, grid * side)
    patches = patchify(images, side)
    for n in range(2):
        for row in range(grid):
            for column in range(grid):
                wanted = [
                    images[n, c, row * side + y, column * side + x]
                    for y in range(side)
                    for x in range(side)
                    for c in range(3)
                ]
                assert torch.equal(patches[n, row * grid + column], torch.stack(wanted))


def test_standardisation_is_that_of_numpy():
    patches = np.random.default_rng(0).random((2, 5, 12))
    found = standardise(torch.from_numpy(patches))
    mean, variance = patches.mean(-1, keepdims=True), patches.var(-1, ddof=1, keepdims=True)
    assert found.pixels.numpy() == pytest.approx((patches - mean) / np.sqrt(variance + EPSILON), abs=1e-12)
    assert found.mean.numpy() == pytest.approx(mean)
    assert found.log_std.numpy() == pytest.approx(np.log(np.sqrt(variance + EPSILON)))


def test_restored_pixels_are_the_pictures_own():
    patches = torch.rand(2, 4, 48)
    found = standardise(patches)
    assert torch.allclose(found.restored(found.pixels), patches, atol=1e-6)


def test_a_flat_patch_is_nought_and_finite():
    found = standardise(torch.full((1, 1, 192), 0.7))
    assert float(found.pixels.abs().max()) < 1e-3
    assert torch.isfinite(found.log_std).all()
    assert torch.allclose(found.restored(found.pixels), torch.full((1, 1, 192), 0.7))


@given(st.floats(0.1, 1.0), st.floats(0.0, 0.5))
def test_brightness_and_contrast_do_not_show(contrast, brightness):
    patches = torch.rand(1, 3, 192, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    plain, changed = standardise(patches).pixels, standardise(patches * contrast + brightness).pixels
    assert torch.allclose(plain, changed, atol=2e-3)
