"""How public codes turn heatmaps into points; none of these is ours, each is written out from its rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from facebench.metrics.landmarks import measure
from facebench.schemes import LANDMARK_SCHEMES
from facebench.types import Landmarks
from tests.golden.case import Case
from tests.golden.crop_cases import hrnet_matrix


def heatmaps(case: Case) -> np.ndarray:
    """(K, H, W) float64 from entries (y, x, value), 0-based."""
    height, width = (int(case.inputs.get(k, case.params.get(k, 64))) for k in ("h", "w"))
    entries = case.inputs["heatmap"]
    maps = np.zeros((len(entries), height, width))
    for k, points in enumerate(entries):
        for y, x, value in points:
            maps[k, int(y), int(x)] = np.float32(value)
    return maps


def _peaks(maps: np.ndarray) -> np.ndarray:
    """(K, 2) x, y of the first largest value."""
    y, x = np.divmod(maps.reshape(len(maps), -1).argmax(axis=1), maps.shape[2])
    return np.stack([x, y], axis=1).astype(np.float64)


def _quarter_shift(maps: np.ndarray, peaks: np.ndarray, first: int) -> np.ndarray:
    """A quarter pixel toward the higher neighbour, for peaks from `first` to one before the last row and column."""
    shifted = peaks.copy()
    for k, (x, y) in enumerate(peaks.astype(int)):
        if first <= x < maps.shape[2] - 1 and first <= y < maps.shape[1] - 1:
            across, down = maps[k, y, x + 1] - maps[k, y, x - 1], maps[k, y + 1, x] - maps[k, y - 1, x]
            shifted[k] += 0.25 * np.sign((across, down))
    return shifted


def hrnet_peaks(maps: np.ndarray) -> np.ndarray:
    """HRNet `get_preds`: 1-based peaks, 0 where no value is above 0."""
    return (_peaks(maps) + 1) * (maps.max(axis=(1, 2)) > 0)[:, None]


def get_preds(case: Case) -> Mapping[str, Any]:
    return {"preds": hrnet_peaks(heatmaps(case))}


def decode_preds(case: Case) -> Mapping[str, Any]:
    """HRNet `decode_preds`: a quarter shift, half a pixel, and back to the image cut to whole pixels.

    A point that is not cut lies up to one pixel further from the origin in x and in y.
    """
    maps = heatmaps(case)
    peaks = hrnet_peaks(maps)
    # The shift is for 1 < 1-based < size: 0-based 1 to size - 2. A masked point, (0, 0), is below.
    shifted = np.where(peaks > 0, _quarter_shift(maps, peaks - 1, first=1) + 1, 0.0) + 0.5
    size = tuple(case.params.get("res", case.inputs.get("res", maps.shape[:0:-1])))
    back = np.linalg.inv(hrnet_matrix(case.inputs["center"], float(case.inputs["scale"]), size))
    exact = (shifted - 1) @ back[:2, :2].T + back[:2, 2]
    cut = np.trunc(exact)
    assert np.all(np.abs(exact - cut) < 1)
    assert np.any(exact != cut)
    return {"preds": cut + 1}


def awing_points(maps: np.ndarray) -> np.ndarray:
    """AWing `get_preds_fromhm`: 1-based peaks, a quarter shift, minus half a pixel."""
    return _quarter_shift(maps, _peaks(maps), first=1) + 1 - 0.5


def decode_awing(case: Case) -> Mapping[str, Any]:
    return {"preds": awing_points(heatmaps(case))}


def fan_nme(case: Case) -> Mapping[str, Any]:
    """AWing `fan_NME`: decoded at 64, times 4, in the 256 crop; a peak at pixel centre p becomes 4 (p + 1/2).

    In our convention (centres at integers) that pixel's place in the crop is 4 p + 3/2: AWing's is half a pixel off.
    """
    truth = case.array("gt_256", "gt")
    peaks = np.atleast_3d(case.array("peak_yx"))
    peaks = peaks.reshape(-1, *peaks.shape[-2:]) if peaks.shape[-1] == 2 else peaks.reshape(1, -1, 2)
    scheme = next(s for s in LANDMARK_SCHEMES.values() if s.size == truth.shape[1])
    name = "ipupil" if scheme.size in (68, 29) else "ioc"
    total = 0.0
    for places, target in zip(peaks, truth, strict=True):
        maps = np.zeros((len(places), 64, 64))
        for k, (y, x) in enumerate(places.astype(int)):
            maps[k, y, x] = case.inputs.get("peak", 1.0)
            if x + 1 < 64:
                maps[k, y, x + 1] = case.inputs.get("right_neighbour", 0.0)
        total += measure(4 * awing_points(maps), Landmarks(target), scheme, None, [name])[f"error-{name}"]
    return {"nme_sum": total, "nme": total / len(truth)}


def farl_soft(case: Case) -> Mapping[str, Any]:
    """FaRL `heatmap2points`: centre of mass over the whole map, sum at least 1e-6, then (x + 1/2) / w."""
    maps = heatmaps(case)
    _, height, width = maps.shape
    centre = _centre_of_mass(maps, np.arange(width), np.arange(height))
    normalised = (centre + 0.5) / (width, height)
    return {"normalized": normalised, **{f"denorm_{n}": normalised * n - 0.5 for n in (256, 448, 512)}}


def star_soft(case: Case) -> Mapping[str, Any]:
    """STAR: centre of mass on a grid whose corners are +-1, put back as if +-1 were the outer pixel borders.

    The two conventions differ by c / 2 px at coordinate c, up to half a pixel at the border of a 256 crop.
    """
    maps = heatmaps(case)
    _, height, width = maps.shape
    coords = _centre_of_mass(maps, np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    back, consistent = ((coords + 1) * 256 - 1) / 2, (coords + 1) / 2 * 255
    assert np.allclose(back - consistent, coords / 2)
    return {"coords": coords, "denorm_256": back}


def _centre_of_mass(maps: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    mass = np.maximum(maps.sum(axis=(1, 2)), 1e-6)
    return np.stack([maps.sum(axis=1) @ x / mass, maps.sum(axis=2) @ y / mass], axis=1)


FAMILIES = (
    (r"fan_NME|fan_nme", fan_nme),
    (r"^decode\.hrnet\.get_preds", get_preds),
    (r"^decode\.hrnet", decode_preds),
    (r"^decode\.awing", decode_awing),
    (r"^decode\.farl", farl_soft),
    (r"^decode\.(star|adnet)", star_soft),
)
