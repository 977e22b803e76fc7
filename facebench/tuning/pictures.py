"""Crops with their targets, as they are and as training shows them.

What is random about a picture is drawn from (seed, epoch, its number) alone, so a training that is taken up again, with
any number of workers, sees what an uninterrupted one sees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from facebench.framing import Framing
from facebench.geometry.crop import Crop, about_centre
from facebench.images import image_size, read_image
from facebench.shapes import AnyArray, ByteArray, FloatArray
from facebench.tuning.recipe import Augment
from facebench.types import LabelMap, Landmarks, Sample

if TYPE_CHECKING:
    from torch import Tensor

Target: TypeAlias = Callable[[Sample, Crop], AnyArray]
"""What is to be learnt of a sample, seen through a crop of its picture."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Training crops by number; `pictures[i]` is (S, S, 3) uint8 and its target.

    Attributes:
        samples: of the split.
        framing: how they are cropped.
        target: of one crop.
        augment: what is random; None shows crops as they are.
        seed: of the draws.
        epoch: of the draws.
    """

    samples: Sequence[Sample]
    framing: Framing
    target: Target
    augment: Augment | None = None
    seed: int = 0
    epoch: int = 0

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, number: int) -> tuple[ByteArray, AnyArray]:
        sample, crop = self.samples[number], self.framing.crop(self.samples[number])
        image = read_image(sample.image)
        if self.augment is None:
            return crop.apply(image), self.target(sample, crop)
        rng = np.random.default_rng((self.seed, self.epoch, number))
        moved = Crop(crop.matrix @ motion(self.augment, crop.size, rng), crop.size)
        return recoloured(moved.apply(image), self.augment, rng), self.target(sample, moved)


def motion(augment: Augment, size: int, rng: np.random.Generator) -> FloatArray:
    """(3, 3) from pixels of the shown crop to pixels of the framed one: zoom and turn about its centre, then shift."""
    drawn = rng.standard_normal(2) if augment.gaussian else rng.uniform(-1, 1, 2)
    angle, zoom = augment.turn * drawn[0], math.exp(augment.zoom * drawn[1])
    shift = augment.shift * rng.uniform(-1, 1, 2) * size
    return about_centre(size, angle=angle, zoom=zoom, shift=shift)


def recoloured(image: ByteArray, augment: Augment, rng: np.random.Generator) -> ByteArray:
    """A crop (S, S, 3) with other colours, blur, noise and a hole, each as `augment` says."""
    side = image.shape[0]
    shown: AnyArray = image.astype(np.float32) / 255
    if rng.random() < augment.grey:
        shown = np.repeat(shown.mean(axis=2, keepdims=True), 3, axis=2)
    if augment.gamma:
        shown = shown ** (0.5, 1.0, 2.0)[rng.integers(3)]
    blur = int(rng.uniform(0, augment.blur) * side)
    if blur > 1:
        shown = cv2.blur(shown, (blur, blur))
    if rng.random() < augment.noise:
        share = rng.uniform(0, 0.5)
        shown = (1 - share) * shown + share * rng.random(shown.shape, dtype=np.float32)
    if augment.hole:
        height, width = (round(side * rng.uniform(0.1, 0.4)) for _ in range(2))
        top, left = rng.integers(0, side - height + 1), rng.integers(0, side - width + 1)
        shown[top : top + height, left : left + width] = 0
    return np.asarray(np.clip(np.rint(shown * 255), 0, 255), dtype=np.uint8)


def unit_points(sample: Sample, crop: Crop) -> FloatArray:
    """Annotated points (K, 2) of a face in units of the crop's side; NaN where a point is not annotated."""
    assert isinstance(sample.target, Landmarks), sample.id
    points = (crop.to_crop(sample.target.points) + 0.5) / crop.size
    located = sample.target.located
    return np.asarray(points if located is None else np.where(located[:, None], points, np.nan), dtype=np.float32)


def crop_labels(sample: Sample, crop: Crop) -> ByteArray:
    """True labels over a crop, (S, S) uint8, whatever size they are stored in."""
    assert isinstance(sample.target, LabelMap), sample.id
    labels = sample.target.read()
    height, width = labels.shape
    return crop.on_labels(image_size(sample.image), (width, height)).warp_labels(labels, crop.size)


def as_input(images: Tensor, device: str) -> Tensor:
    """Crops (n, 3, S, S) uint8 as a backbone takes them: float32 in [0, 1]."""
    return images.to(device).float() / 255
