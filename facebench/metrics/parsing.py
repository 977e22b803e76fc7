"""Scores of face parsing, all from one integer confusion matrix an image.

Conventions:
    - Label maps are (H, W) integer class ids at the stored label size, never resized for the score.
    - H[g, p] counts pixels of truth g predicted as p. Matrices of all images are summed first and divided once (FaRL
      `scorer.py:F1Score`, Faceptor, SegFace, EAGRNet `utils/miou.py`); a mean of per-image scores is another number.
    - An id outside 0..C-1 is an error, 255 included: no benchmark here has an ignore label.
    - F1, IoU and accuracies are percent. A class in neither truth nor prediction has no score; means that need it have
      none either, and the means over the classes that are present stand beside them under their own name.

Metrics:
    - F1 of class c: 2 H[c,c] / (row + column). Headline: plain mean over the foreground classes.
    - F1 of a merged group S (Helen): 2 H[S,S].sum() / (H[S,:].sum() + H[:,S].sum()); confusions inside S are correct.
    - IoU of class c: H[c,c] / (row + column - H[c,c]); mIoU over **all** classes, background included.
    - Pixel accuracy: sum of the diagonal over all pixels. Mean accuracy: mean of H[c,c] / row over all classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from facebench.errors import DataError
from facebench.metric import Columns, Metric
from facebench.pooled import Pooled
from facebench.schemes import LabelScheme
from facebench.shapes import AnyArray, FloatArray, IntArray

NARROW = 16
"""Up to this many classes a pair of ids fits one byte, and two pixels are counted at once."""

WIDEST = 181
"""The most classes whose pairs of ids fit int16."""


def confusion(truth: AnyArray, predicted: AnyArray, classes: int) -> IntArray:
    """Confusion matrix (C, C) int64 of one image: rows truth, columns prediction.

    Args:
        truth: (H, W) integer class ids.
        predicted: (H, W) integer class ids, the same size.
        classes: C.

    Raises:
        DataError: another size, no pixel, not integers, or an id outside 0..C-1.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape:
        raise DataError(f"prediction is {_size(predicted)}, the label map {_size(truth)}; predict at the stored size")
    _check_ids(truth, classes, "label map")
    _check_ids(predicted, classes, "prediction")
    width = np.uint8 if classes <= NARROW else np.int16 if classes <= WIDEST else np.int64
    key = np.multiply(truth, classes, dtype=width, casting="unsafe")
    np.add(key, predicted, out=key, casting="unsafe")
    counts = _count_bytes(key) if classes <= NARROW else np.bincount(key.ravel())
    return _fit(counts, classes * classes).reshape(classes, classes)


def _size(array: AnyArray) -> str:
    return " x ".join(map(str, array.shape))


def _check_ids(labels: AnyArray, classes: int, what: str) -> None:
    if labels.ndim != 2 or labels.size == 0:
        raise DataError(f"{what} has shape {labels.shape}; it must be (H, W) with at least one pixel")
    if labels.dtype.kind not in "iu":
        raise DataError(f"{what} holds {labels.dtype}, not integer class ids")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        bad = low if low < 0 else high
        raise DataError(f"{what} holds class {bad}; the ids are 0..{classes - 1}, and there is no ignore label")


def _count_bytes(key: AnyArray) -> IntArray:
    """Counts of each byte of `key` uint8, two pixels a step: one table of pairs, folded along both halves."""
    flat = key.ravel()
    even = len(flat) // 2 * 2
    pairs = np.bincount(flat[:even].view(np.uint16), minlength=1 << 16).reshape(256, 256)
    return np.asarray(pairs.sum(axis=0) + pairs.sum(axis=1) + np.bincount(flat[even:], minlength=256))


def _fit(counts: IntArray, size: int) -> IntArray:
    """`counts` cut or padded with zeros to `size`; what is cut is zero."""
    fitted = np.zeros(size, dtype=np.int64)
    fitted[: len(counts)] = counts[:size]
    return fitted


@dataclass(frozen=True, eq=False)
class Tallies:
    """Hits, truth and prediction pixels of each class, (..., C)."""

    hits: FloatArray
    truth: FloatArray
    predicted: FloatArray

    @property
    def f1(self) -> FloatArray:
        """F1 of each class, a fraction; NaN where the class is in neither."""
        return np.asarray(2 * self.hits / (self.truth + self.predicted))

    @property
    def iou(self) -> FloatArray:
        """Intersection over union of each class, a fraction; NaN where the class is in neither."""
        return np.asarray(self.hits / (self.truth + self.predicted - self.hits))

    @property
    def accuracy(self) -> FloatArray:
        """Share of each class's truth that was found; NaN where the class is not in the truth."""
        return np.asarray(self.hits / self.truth)


def tallies(columns: Columns, weights: FloatArray, groups: Sequence[Sequence[int]]) -> Tallies:
    """Weighted tallies (B, G) of `groups` of class ids, under each row of `weights` (B, N).

    A group of one is a class. Sums of counts below 2^53 are exact in float64.
    """
    return _tallies(weights @ _counts(columns, groups).T)


def _counts(columns: Columns, groups: Sequence[Sequence[int]]) -> FloatArray:
    """Hits of each of G groups, then truth, then prediction pixels: (3 G, N)."""
    matrices = np.asarray(columns["confusion"])
    lists = [list(group) for group in groups]
    hits = [matrices[:, g][:, :, g].sum(axis=(1, 2)) for g in lists]
    truth = [matrices[:, g].sum(axis=(1, 2)) for g in lists]
    predicted = [matrices[:, :, g].sum(axis=(1, 2)) for g in lists]
    return np.stack([*hits, *truth, *predicted]).astype(np.float64)


def _tallies(sums: FloatArray) -> Tallies:
    return Tallies(*np.split(sums, 3, axis=1))


def _pooled(groups: Sequence[Sequence[int]], finish: Callable[[Tallies], FloatArray]) -> Pooled:
    return Pooled(lambda columns: _counts(columns, groups), lambda sums: 100 * finish(_tallies(sums)))


def metrics_of(scheme: LabelScheme) -> tuple[Metric, ...]:
    """Every metric of a parsing set, the mean F1 over the foreground first."""
    everything = [(k,) for k in range(scheme.size)]
    foreground = everything[1:]
    present, absent = "no foreground class is present", "a foreground class is in neither truth nor prediction"
    return (
        Metric("f1", "%", "higher", _mean_f1(foreground), scheme.headline, f"{absent}; mean-present-fg has the rest"),
        Metric("f1", "%", "higher", _mean_f1(foreground, present_only=True), "mean-present-fg", present),
        *(_class_metric(name, (k,)) for k, name in enumerate(scheme.classes)),
        *(_class_metric(name, group) for name, group in scheme.groups.items()),
        Metric("miou", "%", "higher", _mean_iou(everything), "mean", "a class is in neither truth nor prediction"),
        Metric("accuracy", "%", "higher", _pixel_accuracy, "all", "there is no pixel"),
        Metric("accuracy", "%", "higher", _mean_accuracy(everything), "mean", "a class is not in the truth"),
    )


def _class_metric(name: str, group: tuple[int, ...]) -> Metric:
    reduce = _pooled([group], lambda tallies: tallies.f1[:, 0])
    return Metric("f1", "%", "higher", reduce, name, f"{name} is in neither truth nor prediction")


def _mean_f1(groups: Sequence[tuple[int, ...]], *, present_only: bool = False) -> Pooled:
    def mean(tallies: Tallies) -> FloatArray:
        defined = np.isfinite(tallies.f1) if present_only else np.ones_like(tallies.hits, dtype=bool)
        return np.asarray(np.where(defined, tallies.f1, 0).sum(axis=1) / defined.sum(axis=1))

    return _pooled(groups, mean)


def _mean_iou(groups: Sequence[tuple[int, ...]]) -> Pooled:
    return _pooled(groups, lambda tallies: np.asarray(tallies.iou.mean(axis=1)))


def _mean_accuracy(groups: Sequence[tuple[int, ...]]) -> Pooled:
    return _pooled(groups, lambda tallies: np.asarray(tallies.accuracy.mean(axis=1)))


def _hits_and_pixels(columns: Columns) -> FloatArray:
    matrices = np.asarray(columns["confusion"])
    return np.stack([np.trace(matrices, axis1=1, axis2=2), matrices.sum(axis=(1, 2))]).astype(np.float64)


_pixel_accuracy = Pooled(_hits_and_pixels, lambda sums: np.asarray(100 * sums[:, 0] / sums[:, 1]))


def eagr_scores(matrix: IntArray) -> tuple[FloatArray, float, float]:
    """IoU of each class (C,), mean IoU and mean accuracy, percent, as EAGRNet `utils/miou.py` has them.

    A class in neither truth nor prediction counts as IoU 0 and accuracy 0 in both means: its divisor is max(1, .).
    SegFace has the same rule.
    """
    hits, rows, cols = np.diag(matrix).astype(np.float64), matrix.sum(axis=1), matrix.sum(axis=0)
    iou = hits / np.maximum(1.0, rows + cols - hits)
    return 100 * iou, float(100 * iou.mean()), float(100 * (hits / np.maximum(1.0, rows)).mean())
