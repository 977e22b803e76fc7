"""Raw pixels: what stands where."""

from __future__ import annotations

import pytest
import torch

from facebench.backbones.pixels import BACKBONE
from facebench.errors import UsageError
from tests.backbones.pictures import noise


def test_a_position_of_the_map_is_its_patch() -> None:
    images = noise(2, 32)
    features = BACKBONE.open("8", 32).features(images)
    assert [tuple(m.shape) for m in features.maps] == [(2, 192, 4, 4)]
    patch = images[1, :, 8:16, 24:32]  # row 1, column 3
    assert torch.equal(features.maps[0][1, :, 1, 3].sort().values, patch.flatten().sort().values)
    red_corner = images[1, 0, 8, 24]  # channel 0, first row, first column of the patch
    assert features.maps[0][1, 0, 1, 3] == red_corner


def test_pooled_is_a_thumbnail() -> None:
    images = noise(1, 32)
    by_hand = images.reshape(1, 3, 16, 2, 16, 2).mean(dim=(3, 5)).flatten(1)
    torch.testing.assert_close(BACKBONE.open("", 32).features(images).pooled, by_hand)


def test_defaults_are_in_the_record() -> None:
    backbone = BACKBONE.open("", None)
    assert (backbone.input_size, backbone.record.weights, backbone.record.sha256) == (128, "none", None)
    assert backbone.record.details["patch"] == 8
    assert backbone.features(noise(1, 128)).maps[0].shape == (1, 192, 16, 16)


@pytest.mark.parametrize(("rest", "size"), [("7", 128), ("8", 100), ("256", 128)])
def test_the_patch_must_divide_the_input(rest: str, size: int) -> None:
    with pytest.raises(UsageError, match="not a multiple"):
        BACKBONE.open(rest, size)


@pytest.mark.parametrize("rest", ["x", "0", "-8", "8.0", "²"])
def test_the_patch_is_a_number(rest: str) -> None:
    with pytest.raises(UsageError, match="pixels:"):
        BACKBONE.open(rest, 128)
