"""Horizontal flips: the permutations are ours, the mirror axis of HRNet is one pixel off."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from facebench.schemes import LANDMARK_SCHEMES
from tests.golden.case import Case


def flip(case: Case) -> Mapping[str, Any]:
    """HRNet `fliplr_joints`: x -> width - x, then the permutation; ours maps x to width - 1 - x.

    STAR does as we do for 68 and 98 points, and as HRNet for COFW's 29.
    """
    count, width = int(case.inputs.get("L", len(case.expected.get("perm", ())))), float(case.inputs["width"])
    perm = np.array(next(s.flip for s in LANDMARK_SCHEMES.values() if s.size == count))
    x = case.array("x") if "x" in case.inputs else np.arange(count, dtype=np.float64)
    theirs, ours = (width - x)[perm], (width - 1 - x)[perm]
    assert np.all(theirs - ours == 1)
    as_ours = re.search(r"\bstar\b", f"{case.id} {case.symbol}", re.IGNORECASE) and count in (68, 98)
    return {"perm": perm, "x_after": ours if as_ours else theirs}


FAMILIES = ((r"^flip\.|fliplr_joints", flip),)
