"""Face parsing scores of FaRL and EAGRNet, and the two ways CelebAMask-HQ is painted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

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


def _matrices(case: Case, classes: int) -> np.ndarray:
    maps = (np.asarray(case.inputs[k], dtype=np.int64) for k in ("gt", "pred"))
    truth, pred = (m[None] if m.ndim == 2 else m for m in maps)
    return np.stack([confusion(t, p, classes) for t, p in zip(truth, pred, strict=True)])


def _scores(matrices: np.ndarray, scheme: LabelScheme) -> dict[tuple[str | None, str], float]:
    """Our scores as fractions; what we leave undefined is NaN in the official codes."""
    values = {(m.slice, m.name): m.value({"confusion": matrices}) for m in metrics_of(scheme)}
    return {key: np.nan if value is None else value / 100 for key, value in values.items()}


def farl_f1(case: Case) -> Mapping[str, Any]:
    """FaRL `F1Score`: our pooled F1 and our headline mean, as fractions."""
    names = tuple(case.inputs.get("label_names", case.params.get("label_names", FARL_LAPA)))
    matrices = _matrices(case, len(names))
    scheme = LabelScheme("case", names, "fg_mean")
    scores = _scores(matrices, scheme)
    pooled, alone = matrices.sum(axis=0), [_scores(m[None], scheme)["fg_mean", "f1"] for m in matrices]
    found: dict[str, Any] = {name: scores[name, "f1"] for name in (*names, "fg_mean")}
    found |= dict.fromkeys(("confusion", "confusion_gt_rows_pred_cols"), pooled)
    return found | {"per_image_fg_mean": alone, "mean_of_per_image_fg_mean": np.mean(alone)}


def eagr_miou(case: Case) -> Mapping[str, Any]:
    """EAGRNet `compute_mean_ioU`: our scores, but for a class in neither map, which it counts as IoU 0."""
    names = tuple(case.inputs["label_names"])
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
