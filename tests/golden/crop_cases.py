"""Crops and warps of public codes, written out from their rules.

Ours (`facebench.geometry.crop`) keeps pixel centres at integers on both sides and maps the outer borders of the box to
those of the crop: crop = (image + 1/2 - x0) S / side - 1/2. Each adapter says how far the code's crop is from that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.golden.case import Case


def scaling(scale: Sequence[float] | float, centre: Sequence[float], to: Sequence[float] | float) -> np.ndarray:
    """(3, 3) matrix that scales and takes `centre` to `to`."""
    factor, target = np.broadcast_to(scale, 2), np.broadcast_to(to, 2)
    matrix = np.diag([*factor, 1.0])
    matrix[:2, 2] = target - factor * np.asarray(centre, dtype=np.float64)
    return matrix


def inverse_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    back = np.linalg.inv(matrix)
    return points @ back[:2, :2].T + back[:2, 2]


def farl_crop(case: Case) -> Mapping[str, Any]:
    """FaRL test crop: half side 100 x scale about the centre, centre to the middle pixel, shrunk by scale_mu = 0.8.

    Middle pixel to middle pixel, 512 pixels a side: ours to within rounding for a square box.
    """
    size = float(case.params.get("size", 512))
    if "box_y1x1y2x2" in case.inputs:
        y0, x0, y1, x1 = np.atleast_2d(case.array("box_y1x1y2x2"))[int(case.inputs.get("image", 0))]
    else:
        (cx, cy), half = case.inputs["center"], 100 * float(case.inputs["scale"])
        y0, x0, y1, x1 = cy - half, cx - half, cy + half, cx + half
    factor, centre, middle = size / np.array([x1 - x0, y1 - y0]), ((x0 + x1) / 2, (y0 + y1) / 2), (size - 1) / 2
    found: dict[str, Any] = {"box_y1x1y2x2": [y0, x0, y1, x1], "crop_matrix": scaling(factor, centre, middle)}
    for text in ("0p8", "1p0"):
        found[f"crop_matrix_scale{text}"] = scaling(float(text.replace("p", ".")) * factor, centre, middle)
    usual = 1.0 if "aflw" in case.id else 0.8  # AFLW crops the annotated box as it is
    chosen = float(case.params.get("scale_mu", case.inputs.get("scale_mu", usual)))
    if "warped_points" in case.inputs:
        found["image_points"] = inverse_points(scaling(chosen * factor, centre, middle), case.array("warped_points"))
    return found


def star_crop(case: Case) -> Mapping[str, Any]:
    """STAR and ADNet: 256 / (200 scale) about the centre, which goes to the middle pixel 127.5."""
    size = float(case.params.get("image_size", case.inputs.get("image_size", 256)))
    factor = size / (200 * float(case.inputs["scale"]) * float(case.inputs.get("target_face_scale", 1.0)))
    centred = case.params.get("align_corners", True)
    matrix = scaling(factor, case.inputs["center"], (size - 1) / 2 if centred else size / 2)
    return {"matrix": matrix, "crop_matrix": matrix}


def spiga_crop(case: Case) -> Mapping[str, Any]:
    """SPIGA `TargetCropAug`: side 1.6 max(w, h) about the box centre, which goes to 128 of 256: ours + 1/2."""
    x, y, w, h = np.ravel(case.array("bbox", "bbox_xywh"))
    size = float(case.params.get("size", case.inputs.get("size", 256)))
    ratio = float(case.params.get("target_dist", case.inputs.get("target_dist", 1.6)))
    matrix = scaling(size / (ratio * max(w, h)), (x + w / 2, y + h / 2), size / 2)
    flat = dict.fromkeys(("affine", "affine_transf", "matrix2x3"), matrix[:2])
    return {"matrix": matrix if np.shape(case.expected.get("matrix")) == (3, 3) else matrix[:2], **flat}


def hrnet_matrix(centre: Sequence[float], scale: float, size: Sequence[int]) -> np.ndarray:
    """HRNet `get_transform`: 200 x scale about the centre, which goes to the middle of `size`, borders at integers."""
    width, height = float(size[1]), float(size[0])
    side = 200 * scale
    return scaling((width / side, height / side), centre, (width / 2, height / 2))


def transform_pixel(case: Case) -> Mapping[str, Any]:
    """HRNet `get_transform` and `transform_pixel`: 1-based points, cut to whole pixels on the way out."""
    size = next(given[k] for given in (case.inputs, case.params) for k in ("out", "res", "output_size") if k in given)
    matrix = hrnet_matrix(case.inputs["center"], float(case.inputs["scale"]), size)
    back = np.linalg.inv(matrix)
    found: dict[str, Any] = {"matrix": matrix, "t": matrix, "inverse_matrix": back}
    for key, name, transform in (("inverse", "pt", back), ("forward", "fwd_pt", matrix)):
        if name in case.inputs:
            exact = transform[:2, :2] @ (case.array(name) - 1) + transform[:2, 2]
            found[key] = np.trunc(exact) + 1
            assert np.all(np.abs(exact + 1 - found[key]) < 1)
    return found


FARL_POINTS = np.array([(196, 226), (316, 226), (256, 286), (220, 360.4), (292, 360.4)])
"""Where FaRL wants the eyes, the nose tip and the mouth corners, of 512 pixels."""


def align_matrix(five: np.ndarray, size: int = 512) -> np.ndarray:
    """FaRL `GetFaceAlignMatrix`: least-squares similarity (Umeyama 1991) of five points to `FARL_POINTS`."""
    target = FARL_POINTS / 256 * (size - 1) / 2
    centre, aim = five.mean(axis=0), target.mean(axis=0)
    # As complex numbers a similarity without reflection is z -> a z + b, and least squares gives a at once.
    z, w = ((p - m) @ (1, 1j) for p, m in ((five, centre), (target, aim)))
    a = np.vdot(z, w) / np.vdot(z, z)
    matrix = np.array([[a.real, -a.imag, 0], [a.imag, a.real, 0], [0, 0, 1.0]])
    matrix[:2, 2] = aim - matrix[:2, :2] @ centre
    return matrix


def tanh_warp(points: np.ndarray, factor: float, size: int = 512) -> np.ndarray:
    """FaRL tanh-warp, image to warped: beyond 1 - factor of the half side, space is squeezed towards the border."""
    u = 2 * points / size - 1
    out = np.sign(u) * (np.tanh((np.abs(u) - 1 + factor) / factor) * factor + 1 - factor) if factor else u
    return (np.where(np.abs(u) > 1 - factor, out, u) + 1) * size / 2


def tanh_unwarp(points: np.ndarray, factor: float, size: int = 512) -> np.ndarray:
    """The way back; the argument of arctanh is held to +-0.999."""
    u = 2 * points / size - 1
    held = np.clip((np.abs(u) - 1 + factor) / factor, -0.999, 0.999) if factor else u
    out = np.sign(u) * (np.arctanh(held) * factor + 1 - factor) if factor else u
    return (np.where(np.abs(u) > 1 - factor, out, u) + 1) * size / 2


def farl_warp(case: Case) -> Mapping[str, Any]:
    """LaPa in FaRL: alignment by five points, then the tanh-warp, and back."""
    factor = float(case.params.get("warp_factor", case.inputs.get("warp_factor", 0.8)))
    matrix = align_matrix(case.array("five_points"))
    aligned = case.array("points") @ matrix[:2, :2].T + matrix[:2, 2]
    warped = tanh_warp(aligned, factor)
    back = inverse_points(matrix, tanh_unwarp(warped, factor))
    return {"align_matrix": matrix, "aligned": aligned, "warped": warped, "back": back}


FAMILIES = (
    (r"^crop\.farl", farl_crop),
    (r"^crop\.(star|adnet)", star_crop),
    (r"^crop\.spiga", spiga_crop),
    (r"transform_pixel|^crop\.hrnet", transform_pixel),
    (r"^warp\.farl|^warp\.", farl_warp),
)
