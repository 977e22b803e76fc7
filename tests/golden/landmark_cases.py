"""Normalised mean errors of public codes, from truth and predicted points.

Where a code's formula is ours, the value comes from `facebench.metrics.landmarks`. Where it is not, the code's own rule
is written out here, and ours is checked to differ by exactly what the rule says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from facebench.datasets.merl_rav import landmarks_of
from facebench.metrics.landmarks import measure, normaliser, point_errors
from facebench.schemes import LANDMARK_SCHEMES, LandmarkScheme
from facebench.shapes import Box
from facebench.types import Landmarks
from tests.golden.case import Case

LAPA106 = LandmarkScheme("lapa106", 106, tuple(range(106)), corners=(66, 79), pupils=None)
"""mmpose's eye corners on LaPa, which the project does not score."""

SCHEME = {s.size: s for s in (*LANDMARK_SCHEMES.values(), LAPA106)}


TRUTH, PREDICTION = ("gt", "target", "gts", "anns", "landmarks_gt"), ("pred", "preds", "output", "landmarks_pred")
SEEN = ("visible", "located", "vis", "visibility", "mask")


def is_points(case: Case) -> bool:
    """Whether a case of an unknown name is about points of faces: it feeds true and predicted ones."""
    try:
        shapes = [case.array(*names).shape for names in (TRUTH, PREDICTION)]
    except (KeyError, ValueError, TypeError):
        return False
    return shapes[0] == shapes[1] and len(shapes[0]) in (2, 3) and shapes[0][-1] == 2 and shapes[0][-2] in SCHEME


def points(case: Case) -> tuple[np.ndarray, np.ndarray, LandmarkScheme]:
    """Truth and prediction (N, K, 2), and their order."""
    truth, pred = case.array(*TRUTH), case.array(*PREDICTION)
    truth, pred = (a[None] if a.ndim == 2 else a for a in (truth, pred))
    return truth, pred, SCHEME[truth.shape[1]]


def boxes(case: Case, n: int) -> list[Box | None]:
    """Annotated boxes in our order, from whichever order the case has."""
    if "box_y1x1y2x2" in case.inputs:
        return [(x0, y0, x1, y1) for y0, x0, y1, x1 in case.array("box_y1x1y2x2").tolist()]
    for key in ("bbox_xywh", "bbox"):
        if key in case.inputs:
            return [(x, y, x + w, y + h) for x, y, w, h in np.atleast_2d(case.array(key)).tolist()]
    return [None] * n


def ours(case: Case, name: str) -> np.ndarray:
    """Our error of each face (N,), a fraction of normaliser `name`."""
    truth, pred, scheme = points(case)
    rows = zip(pred, truth, boxes(case, len(truth)), strict=True)
    return np.array([measure(p, Landmarks(g), scheme, box, [name])[f"error-{name}"] for p, g, box in rows])


def _summary(errors: np.ndarray) -> dict[str, Any]:
    return {"per_image": errors, "nme_per_image": errors, "mean": errors.mean(), "nme": errors.mean(),
            "sum": errors.sum(), "value": errors[0]}  # fmt: skip


PUPILS = {r"\b(star|adnet)\b": (29,), r"\bawing": (29, 68)}
"""Codes that take the pupils where others take the eye corners, and the numbers of points for which they do."""


def plain(case: Case) -> Mapping[str, Any]:
    """HRNet, STAR, LDEQ and AWing: our formula, with their normaliser for each number of points."""
    truth, pred, scheme = points(case)
    if "box_size" in case.inputs:  # HRNet's AFLW csv has a column with the side of the box
        errors = [point_errors(p, g).mean() / d for p, g, d in zip(pred, truth, case.array("box_size"), strict=True)]
        return _summary(np.array(errors))
    chosen = {"pupil": "ipupil", "ocular": "ioc"}.get(case.params.get("norm_type", ""))
    if chosen is None:
        pupils = re.search(r"\.(inter_?)?pupil", case.id) or any(
            scheme.size in sizes and re.search(codes, f"{case.id} {case.symbol}", re.IGNORECASE)
            for codes, sizes in PUPILS.items()
        )
        chosen = "ipupil" if pupils else "ioc"
    return _summary(ours(case, chosen))


def pipnet(case: Case) -> Mapping[str, Any]:
    """PIPNet `compute_nme`: our formula, but in the frame of a crop that was squashed to a square."""
    truth, pred, scheme = points(case)
    image = int(case.inputs.get("image", 0))
    straight = ours(case, "ioc")[image]
    if "crop_xywh" not in case.inputs:
        return {"value": straight}
    x, y, w, h = case.array("crop_xywh")
    squashed = [(a - (x, y)) / (w, h) for a in (pred[image], truth[image])]
    value = measure(squashed[0], Landmarks(squashed[1]), scheme, None, ["ioc"])["error-ioc"]
    # A crop of equal sides would change nothing: the frame alone makes the difference.
    even = [a[image] / w for a in (pred, truth)]
    assert measure(even[0], Landmarks(even[1]), scheme, None, ["ioc"])["error-ioc"] == pytest.approx(straight)
    assert w == h or abs(value - straight) > 1e-6
    return {"value": value, "isotropic_value": straight}


def farl(case: Case) -> Mapping[str, Any]:
    """FaRL `scorer.py:NME`: our errors, but their sum is rounded to single precision before it is divided."""
    names = {"inter_ocular": "ioc", "inter_pupil": "ipupil"}
    if boxes(case, 1)[0] is not None:
        names |= {"box": "box", "diag": "diag"}
    found = {}
    for key, name in names.items():
        errors = ours(case, name)
        found[key] = float(np.float32(errors.sum())) / len(errors)
        # Half a unit in the 24th bit of the sum.
        assert abs(found[key] - errors.mean()) <= 2**-24 * errors.sum()
    return found


def mmpose(case: Case) -> Mapping[str, Any]:
    """mmpose `keypoint_nme`: single-precision distances pooled over the visible points of all images."""
    truth, pred, _ = points(case)
    norm = case.array("norm")
    seen = case.array(*SEEN).reshape(truth.shape[:2]) > 0 if _has_seen(case) else np.ones(truth.shape[:2], dtype=bool)
    seen &= (norm > 0)[:, None]
    distances = (point_errors(pred, truth) / norm[:, None]).astype(np.float32).astype(np.float64)
    per_image = (point_errors(pred, truth) / norm[:, None]).mean(axis=1)
    # With the same number of points an image, pooling changes nothing but the rounding.
    assert distances.mean() == pytest.approx(per_image.mean(), rel=1e-6)
    return {
        "nme": distances[seen].mean(),
        "nme_unmasked": distances.mean(),
        "mean_of_per_image_unmasked": per_image.mean(),
    }


def san(case: Case) -> Mapping[str, Any]:
    """SAN `evaluate_normalized_mean_error`: the mean over the visible points of each image."""
    truth, pred, _ = points(case)
    seen, size = case.array(*SEEN).reshape(truth.shape[:2]) > 0, np.ravel(case.array("face_size"))
    rows = list(zip(pred, truth, seen, size, strict=True))
    errors = np.array([point_errors(p[s], g[s]).mean() / d for p, g, s, d in rows])
    # Ours counts every annotated point: the same distances, with the hidden ones.
    every = np.array([point_errors(p, g).sum() / len(g) / d for p, g, _, d in rows])
    hidden = np.array([point_errors(p[~s], g[~s]).sum() / d for p, g, s, d in rows])
    shown = seen.sum(axis=1)
    assert every * truth.shape[1] == pytest.approx(errors * shown + hidden)
    return _summary(errors) | {"acc_under_0.08": 100 * np.mean(errors < 0.08)}


def evaluate_script(case: Case) -> Mapping[str, Any]:
    """`evaluate.py` of ADNet divides the sum of N errors by N - 1; STAR's copy divides by N. Printed with %f."""
    errors = ours(case, "ipupil" if points(case)[2].size == 29 else "ioc")
    count = len(errors) - 1 if "adnet" in case.id else len(errors)
    printed = float(f"{errors.sum() / count:f}")
    if "adnet" in case.id:
        assert printed == pytest.approx(errors.mean() * len(errors) / (len(errors) - 1), abs=5e-7)
    return {"printed": printed, "correct_mean": errors.mean()}


def luvli(case: Case) -> Mapping[str, Any]:
    """LUVLi `FaceAcc.py`: 0.001 px is added to every inter-ocular distance; hidden points count 0, divisor K."""
    truth, pred, scheme = points(case)
    if _has_seen(case) or re.search("merl|lnd_?bbox|[._]box", case.id):
        return occluded(case)
    rows = zip(pred, truth, strict=True)
    errors = np.array([point_errors(p, g).mean() / (normaliser("ioc", scheme, g, None) + 0.001) for p, g in rows])
    assert np.all(errors < ours(case, "ioc") + 1e-15)
    return _summary(errors)


def _has_seen(case: Case) -> bool:
    return any(name in case.inputs for name in SEEN)


def occluded(case: Case) -> Mapping[str, Any]:
    """MERL-RAV: points without a place add 0, the divisor stays 68, the box is that of the placed points."""
    truth, pred, scheme = points(case)
    located = np.isfinite(truth).all(axis=2)
    if _has_seen(case):
        located &= case.array(*SEEN).reshape(truth.shape[:2]) > 0
    elif "merl" in f"{case.id} {case.symbol}".lower():  # as the .pts have it: -1 -1 without a place, else |x|, |y|
        signed = [landmarks_of(np.nan_to_num(g, nan=-1.0)) for g in truth]
        truth, located = np.array([m.points for m in signed]), np.array([m.located for m in signed])
    truth = np.where(located[..., None], truth, 0.0)
    rows = zip(np.where(located[..., None], pred, 0.0), truth, located, strict=True)
    errors = [measure(p, Landmarks(g, located=s), scheme, None, ["lmkbox"])["error-lmkbox"] for p, g, s in rows]
    unit = 100 if "spiga" in case.id else 1
    return _summary(unit * np.array(errors))


SPIGA_NORMALISERS = {"corners": "ioc", "pupils": "ipupil", "lnd_bbox": "lmkbox", "bbox": "box", "height": "boxheight"}


def spiga(case: Case) -> Mapping[str, Any]:
    """SPIGA `metrics/landmarks.py`: our errors in percent, under its names of the normalisers."""
    if _has_seen(case) or "merl" in case.id:
        return occluded(case)
    known = [k for k, name in SPIGA_NORMALISERS.items() if "box" not in name[:3] or boxes(case, 1)[0] is not None]
    each = {key: 100 * ours(case, SPIGA_NORMALISERS[key]) for key in known}
    chosen = case.params.get("norm") or next(
        (k for k in sorted(each, key=len, reverse=True) if k in case.id), "corners"
    )
    found: dict[str, Any] = {key: errors.mean() for key, errors in each.items()}
    found |= {f"nme_{key}": errors.mean() for key, errors in each.items()} | _summary(each[chosen])
    return found | {f"nme_p{p}": np.percentile(each[chosen], p) for p in (90, 95, 99)}


def star_labels(case: Case) -> Mapping[str, Any]:
    """STAR `_norm_points`: pixels of a 256 crop to [-1, 1], and what lies outside is moved to the border.

    Ours keeps points outside the picture where they are; the clamp is the whole difference.
    """
    size = float(case.params.get("size", case.inputs.get("size", 256)))
    straight = (case.array("points") * 2 + 1) / size - 1
    clamped = np.clip(straight, -1, 1)
    outside = np.abs(straight) > 1
    assert np.array_equal(clamped != straight, outside)
    return {"normed": clamped}


FAMILIES = (
    (r"label_clamp|_norm_points", star_labels),
    (r"^nme\..*pipnet", pipnet),
    (r"^nme\..*mmpose", mmpose),
    (r"^nme\..*(farl|faceptor)", farl),
    (r"^nme\.(.*\.)?san(\.|$)", san),
    (r"^nme\..*(adnet|star)\.evaluate", evaluate_script),
    (r"^nme\..*spiga", spiga),
    (r"^nme\..*luvli", luvli),
    (r"^nme\..*merl", occluded),
    (r"^nme\..*(hrnet|star|adnet|ldeq|awing|ibug|lab|official|exact)", plain),
)

BY_SYMBOL: tuple[tuple[str, Callable[[Case], Mapping[str, Any]]], ...] = (
    ("pipnet", pipnet),
    ("mmpose|keypoint_nme", mmpose),
    ("farl|faceptor", farl),
    (r"\bsan\b|normalized_mean_error", san),
    (r"(adnet|star).*evaluate\.py", evaluate_script),
    ("spiga", spiga),
    ("luvli", luvli),
    ("merl", occluded),
    ("", plain),
)


def by_symbol(case: Case) -> Mapping[str, Any]:
    """Points of a case whose name says nothing: the rule of the code that was run, or the plain formula."""
    text = f"{case.id} {case.symbol}".lower()
    return next(adapter for pattern, adapter in BY_SYMBOL if re.search(pattern, text))(case)
