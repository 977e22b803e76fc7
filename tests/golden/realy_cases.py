"""REALY, written out from its rules; the project does not score it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.golden.case import Case


def fit_icp_rt(case: Case) -> Mapping[str, Any]:
    """REALY `fit_icp_RT`: rotation from an SVD without a determinant check, scale as a ratio of L1 norms."""
    source, target = case.array("source", "src", "X"), case.array("target", "tgt", "dst", "Y")
    source, target = (a.T if a.shape[0] != 3 or a.shape == (3, 3) else a for a in (source, target))
    s, t = (a - a.mean(axis=1, keepdims=True) for a in (source, target))
    left, _, right = np.linalg.svd(t @ s.T)
    rotation = left @ right
    scaled = case.inputs.get("with_scale", case.params.get("with_scale", True))
    scale = float(np.abs(t).sum() / np.abs(rotation @ s).sum()) if scaled else 1.0
    translation = (target - scale * rotation @ source).mean(axis=1)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = scale * rotation, translation
    return {
        "scale": scale, "R": rotation, "rotation": rotation, "t": translation, "translation": translation,
        "trans": matrix, "matrix": matrix, "aligned": (scale * rotation @ source).T + translation,
        "det": float(np.linalg.det(rotation)),
    }  # fmt: skip


def spread(case: Case) -> Mapping[str, Any]:
    """REALY's table: mean, median and the sample standard deviation (ddof 1)."""
    values = np.ravel(next(np.asarray(v, dtype=np.float64) for v in case.inputs.values() if isinstance(v, list)))
    return {
        "mean": values.mean(), "avg": values.mean(), "median": np.median(values), "med": np.median(values),
        "std": values.std(ddof=1), "std_ddof1": values.std(ddof=1), "std_ddof0": values.std(),
    }  # fmt: skip


FAMILIES = ((r"fit_icp_RT|^realy\..*(icp|align)", fit_icp_rt), (r"^realy\.", spread))
