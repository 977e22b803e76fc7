"""Error atlas: where on the face a result is wrong, drawn as SVG from its table of per-sample statistics.

Landmarks: each point of the order on a mean face, its area and depth of colour in proportion to its mean error in
percent of the ranking normaliser. Parsing: for each true class the share of its pixels that were given each class, and
its F1. The mean face is that of the synthetic faces (`docs/make_layouts.py`); it is a picture, and enters no number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from facebench.errors import DataError, UsageError
from facebench.registry import Registry
from facebench.stored import Stored, read_stored
from leaderboard.load import Loaded
from leaderboard.safe import printable

LARGEST = 2.7
"""Radius of the worst point, percent of the picture."""


@dataclass(frozen=True)
class Spot:
    """One landmark: its number from 0, its place in a square of 100, its error in percent, its share of the worst."""

    number: int
    x: float
    y: float
    error: float
    share: float

    @property
    def radius(self) -> float:
        """Of its circle: areas are in proportion to errors."""
        return round(LARGEST * float(np.sqrt(self.share)), 2)


@dataclass(frozen=True)
class Points:
    """Landmarks, the worst last so that it is drawn on top; `n` faces stand behind the means."""

    spots: tuple[Spot, ...]
    metric: str
    n: int


@dataclass(frozen=True)
class Confusions:
    """Classes: their names, the share of each true class's pixels by given class, and F1 in percent (NaN: absent)."""

    classes: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]
    f1: tuple[float, ...]
    n: int


def atlas_of(loaded: Loaded) -> Points | Confusions | None:
    """The atlas of a record; None where its table is not there, or holds nothing to draw."""
    if loaded.samples is None:
        return None
    try:
        stored = read_stored(loaded.file, loaded.result)
        scheme = Registry().get("datasets", loaded.result.dataset.name).scheme
    except (DataError, UsageError):  # the record stands by its numbers; there is only no picture of it
        return None
    if "points" in stored.table.columns and getattr(scheme, "name", "") in layouts():
        return _points(stored, scheme.name)
    if "confusion" in stored.table.columns:
        return _confusions(stored, scheme.classes)
    return None


@cache
def layouts() -> dict[str, list[list[float]]]:
    """Order of landmarks to (K, 2) places in a square of 100, y down."""
    text = resources.files("leaderboard").joinpath("layouts.json").read_text(encoding="utf-8")
    read: dict[str, list[list[float]]] = json.loads(text)
    return read


def _points(stored: Stored, scheme: str) -> Points | None:
    places = layouts()[scheme]
    rows = stored.table.columns["points"]
    if any(len(row) != len(places) for row in rows):
        return None
    errors = np.stack([np.asarray(row, dtype=np.float64) for row in rows])
    counted = np.isfinite(errors).sum(axis=0)
    means = 100 * np.nansum(errors, axis=0) / np.maximum(counted, 1)
    worst = float(means.max()) or 1.0
    found = zip(places, means.tolist(), strict=True)
    spots = [Spot(k, x, y, error=error, share=error / worst) for k, ((x, y), error) in enumerate(found)]
    metric = next(score.key.rpartition("/")[2] for score in stored.result.scores if score.headline)
    return Points(tuple(sorted(spots, key=lambda spot: spot.error)), printable(metric), len(errors))


def _confusions(stored: Stored, classes: Sequence[str]) -> Confusions | None:
    matrices = np.asarray(stored.table.columns["confusion"], dtype=np.float64)
    if matrices.shape[1:] != (len(classes), len(classes)):
        return None
    total = matrices.sum(axis=0)
    rows, columns, right = total.sum(axis=1), total.sum(axis=0), np.diag(total)
    with np.errstate(invalid="ignore"):
        f1 = 200 * right / (rows + columns)
    shares = total / np.maximum(rows, 1)[:, None]
    names = tuple(printable(name) for name in classes)
    return Confusions(names, tuple(map(tuple, shares.tolist())), tuple(f1.tolist()), len(matrices))
