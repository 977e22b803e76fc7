"""How a stored picture is shown: mirrored, cropped at random where that is asked for, and brought to S x S.

Landmarks and label map go the same way as the pixels. Frames are those of `facebench.shapes`: pixel centres at
integers, so the mirror of x is W - 1 - x, and a picture is scaled edge to edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from facebench.errors import DataError
from facebench.images import decode_image, decode_label_map
from facebench.schemes import IBUG68, LAPA11
from facebench.shapes import ByteArray, FloatArray
from pretrain.data.shards import Stored
from pretrain.sections import DataConfig

_DRAWS = 2
"""Sets the draws of the pictures apart from those of the order (`pretrain.data.order`)."""

_FLIP = {5: (1, 0, 2, 4, 3), 68: IBUG68.flip}
"""Landmark k of the mirrored picture is landmark flip[k] of the original; five are eyes, nose, corners of the mouth."""

_MIRRORED_CLASS = np.arange(256, dtype=np.uint8)
for _a, _b in LAPA11.flip:
    _MIRRORED_CLASS[[_a, _b]] = _b, _a


@dataclass(frozen=True, eq=False)
class View:
    """A picture with what is known of it.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        points: (5, 2) or (68, 2), pixels of `image`; None where it has none.
        labels: (H, W) uint8, LaPa's classes; None where it has none.
    """

    image: ByteArray
    points: FloatArray | None
    labels: ByteArray | None


def draws(seed: int, epoch: int, number: int) -> np.random.Generator:
    """What everything random about picture `number` in `epoch` is drawn from."""
    return np.random.default_rng([seed, _DRAWS, epoch, number])


def opened(stored: Stored, name: str) -> View:
    """Decode `stored`; `name` is what errors call it. Raises `DataError`."""
    image = decode_image(stored.jpeg, name)
    if stored.seg is None:
        return View(image, stored.points, None)
    labels = decode_label_map(stored.seg, name, LAPA11.size)
    if labels.shape != image.shape[:2]:
        raise DataError(f"{name}: picture and label map differ in size; prepare anew")
    return View(image, stored.points, labels)


def shown(view: View, config: DataConfig, *, size: int, rng: np.random.Generator) -> View:
    """`view` as it is trained on, (S, S): cropped and mirrored as `config` says, by draws of `rng`."""
    if rng.random() < config.flip:
        view = mirrored(view)
    if config.crop is not None:
        height, width = view.image.shape[:2]
        share = rng.uniform(*config.crop)
        side = max(1, round(np.sqrt(share) * min(height, width)))
        left, top = rng.integers(width - side + 1), rng.integers(height - side + 1)
        view = cropped(view, int(left), int(top), side)
    return resized(view, size)


def mirrored(view: View) -> View:
    """The mirror image; left and right change places in landmarks and classes."""
    points, labels = view.points, view.labels
    if points is not None:
        points = points[list(_FLIP[len(points)])] * [-1, 1] + [view.image.shape[1] - 1, 0]
    if labels is not None:
        labels = _MIRRORED_CLASS[labels[:, ::-1]]
    return View(np.ascontiguousarray(view.image[:, ::-1]), points, labels)


def cropped(view: View, left: int, top: int, side: int) -> View:
    """The square of `side` pixels whose first pixel is (`left`, `top`)."""
    window = (slice(top, top + side), slice(left, left + side))
    points = None if view.points is None else view.points - [left, top]
    return View(view.image[window], points, None if view.labels is None else view.labels[window])


def resized(view: View, size: int) -> View:
    """The same, `size` x `size` pixels: area means when it shrinks, bicubic when it grows."""
    height, width = view.image.shape[:2]
    if (height, width) == (size, size):
        return view
    how = cv2.INTER_AREA if size < min(height, width) else cv2.INTER_CUBIC
    image = np.asarray(cv2.resize(view.image, (size, size), interpolation=how), dtype=np.uint8)
    points, labels = view.points, view.labels
    if points is not None:
        points = (points + 0.5) * [size / width, size / height] - 0.5
    if labels is not None:
        labels = np.asarray(cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST_EXACT), dtype=np.uint8)
    return replace(view, image=image, points=points, labels=labels)
