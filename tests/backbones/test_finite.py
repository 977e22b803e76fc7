"""A NaN is found where it appears."""

from __future__ import annotations

import pytest
import torch

from facebench.backbones.finite import check_features
from facebench.errors import FacebenchError
from facebench.types import Features


def features() -> Features:
    return Features(maps=(torch.ones(3, 2, 4, 4), torch.ones(3, 2, 2, 2)), pooled=torch.ones(3, 2))


def test_numbers_pass_unchanged() -> None:
    given = features()
    assert check_features(given, "x") is given


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_layer_and_the_pictures_are_named(bad: float) -> None:
    shallow, deep, pooled = features(), features(), features()
    shallow.maps[0][1, 0, 0, 0] = bad
    deep.maps[1][:2] = bad
    pooled.pooled[2, 1] = bad
    for given, found in [
        (shallow, "map 1 of 2 for 1 of 3 pictures"),
        (deep, "map 2 of 2 for 2 of 3 pictures"),
        (pooled, "the pooled vector for 1 of 3 pictures"),
    ]:
        with pytest.raises(FacebenchError, match=f"timm:x gives NaN or infinite features in {found}") as error:
            check_features(given, "timm:x")
        assert error.value.exit_code == 1
