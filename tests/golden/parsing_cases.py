"""Face parsing scores of FaRL and EAGRNet, and the two ways CelebAMask-HQ is painted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from facebench.errors import DataError
from facebench.metrics.parsing import confusion, eagr_scores, metrics_of
from facebench.schemes import LabelScheme
from tests.golden.case import Case

FARL_LAPA = ("background", "face_lr_rr", "lb", "rb", "le", "re", "nose", "ul", "im", "ll", "hair")

EAGR_GROUPS = {"eyes": ("le", "re"), "brows": ("lb", "rb"), "mouth": ("ulip", "imouth", "llip")}

CELEB_NAMES = (
    "background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear",
    "mouth", "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth",
)  # fmt: skip
"""What EAGRNet calls its classes in the IoU table, whatever the data set."""


IGNORED = 255
"""Truth that EAGRNet and SegFace leave out; ours refuses it."""


def is_label_maps(case: Case) -> bool:
    """Whether a case of an unknown name is about label maps: it feeds two of whole numbers, of one size."""
    maps = [np.asarray(case.inputs.get(k, 0.5)) for k in ("gt", "pred")]
    return all(m.dtype.kind == "i" and m.ndim in (2, 3) and min(m.shape) > 2 for m in maps)


def by_expectation(case: Case) -> Mapping[str, Any]:
    """Label maps of a case whose name says nothing: EAGRNet's table where that is asked for, else FaRL's."""
    return eagr_miou(case) if "miou" in case.expected else farl_f1(case)


def _matrices(case: Case, classes: int) -> np.ndarray:
    maps = (np.asarray(case.inputs[k], dtype=np.int64) for k in ("gt", "pred"))
    truth, pred = (m[None] if m.ndim == 2 else m for m in maps)
    for t, p in zip(truth, pred, strict=True):
        if (t == IGNORED).any():
            with pytest.raises(DataError, match="there is no ignore label"):
                confusion(t, p, classes)
    kept = [t != IGNORED for t in truth]
    rows = zip(truth, pred, kept, strict=True)
    return np.stack([confusion(t[k][None], p[k][None], classes) for t, p, k in rows])


def _names(case: Case) -> tuple[str, ...]:
    return tuple(case.inputs.get("label_names", case.params.get("label_names", FARL_LAPA)))


def _scores(matrices: np.ndarray, scheme: LabelScheme) -> dict[tuple[str | None, str], float]:
    """Our scores as fractions; what we leave undefined is NaN in the official codes."""
    values = {(m.slice, m.name): m.value({"confusion": matrices}) for m in metrics_of(scheme)}
    return {key: np.nan if value is None else value / 100 for key, value in values.items()}


def farl_f1(case: Case) -> Mapping[str, Any]:
    """FaRL `F1Score`: our pooled F1 and our headline mean, as fractions."""
    names = _names(case)
    matrices = _matrices(case, len(names))
    scheme = LabelScheme("case", names, "fg_mean")
    scores = _scores(matrices, scheme)
    pooled, alone = matrices.sum(axis=0), [_scores(m[None], scheme)["fg_mean", "f1"] for m in matrices]
    found: dict[str, Any] = {name: scores[name, "f1"] for name in (*names, "fg_mean")}
    found |= dict.fromkeys(("confusion", "confusion_gt_rows_pred_cols"), pooled)
    return found | {"per_image_fg_mean": alone, "mean_of_per_image_fg_mean": np.mean(alone)}


def eagr_miou(case: Case) -> Mapping[str, Any]:
    """EAGRNet `compute_mean_ioU`: our scores, but for a class in neither map, which it counts as IoU 0."""
    names = _names(case)
    groups = {g: tuple(names.index(n) for n in parts) for g, parts in EAGR_GROUPS.items() if set(parts) <= set(names)}
    if len(groups) == len(EAGR_GROUPS) and "nose" in names:
        groups["overall"] = (*groups["eyes"], *groups["brows"], names.index("nose"), *groups["mouth"])
    scheme = LabelScheme("case", names, "fg_mean", groups)
    matrices = _matrices(case, len(names))
    pooled, scores = matrices.sum(axis=0), _scores(matrices, scheme)
    iou, mean_iou, mean_accuracy = eagr_scores(pooled)
    absent = pooled.sum(axis=0) + pooled.sum(axis=1) == 0
    # Ours is undefined where a class is absent, and the same number where none is.
    assert np.isnan(scores["mean", "miou"]) if absent.any() else np.isclose(100 * scores["mean", "miou"], mean_iou)
    table = dict(zip(CELEB_NAMES, iou, strict=False))
    table |= {"Pixel accuracy": 100 * scores["all", "accuracy"], "Mean accuracy": mean_accuracy, "Mean IU": mean_iou}
    return {"miou": table, "f1": {name: scores[name, "f1"] for name in (*names, *groups)}, "confusion": pooled}


def paint_order(case: Case) -> Mapping[str, Any]:
    """CelebAMask-HQ painted in FaRL's order and in that of the official `g_mask.py`: pixels of each class."""
    from facebench.datasets.celebamask_hq import paint

    shape = tuple(case.params.get("shape", case.inputs.get("shape", (512, 512))))
    masks = {}
    for name, (x0, y0, x1, y1) in case.inputs["mask_rects_x1y1x2y2"].items():
        masks[name] = np.zeros(shape, dtype=bool)
        masks[name][y0:y1, x0:x1] = True
    found = {}
    for who in ("farl", "official"):
        order = case.inputs[f"{who}_order"]
        ids = {name: k for k, name in enumerate(order, start=1)}
        counts = np.bincount(paint(masks, order, ids, shape).ravel(), minlength=len(order) + 1)
        found[f"{who}_counts"] = dict(zip(("background", *order), counts.tolist(), strict=True))
    return found


FAMILIES = (
    (r"^f1\.|F1Score", farl_f1),
    (r"^miou\.|compute_mean_ioU", eagr_miou),
    (r"paint_order", paint_order),
)
