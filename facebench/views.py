"""Ways of looking at the test pictures that a backbone was not fitted for: other crops, worse pictures.

    jitter@P            the box moved by up to P percent of its side, and up to P percent larger or smaller
    scale@P             the box P percent as large: what a tight or a loose detector gives
    rotate@1..5         the crop turned by up to 10, 20, 30, 45, 60 degrees
    blur@1..5           Gaussian blur, standard deviation 0.5, 1, 1.5, 2.5, 4 percent of the crop's side
    motion@1..5         blur along a line of 2, 4, 6, 9, 13 percent of the side, in any direction
    jpeg@1..5           quality 40, 20, 12, 8, 5
    dark@1..5           a half to a twelfth of the light, with the shot noise of so few photons
    noise@1..5          Gaussian noise, standard deviation 4, 8, 12, 18, 26 percent of the range
    occlude@1..5        a grey box over 5, 10, 20, 30, 40 percent of the crop
    shrink@1..5         1/2, 1/3, 1/4, 1/6, 1/8 of the pixels a side, and back

Heads are fitted and chosen on pictures as they are; only the test split is seen so. What is random follows from the
view and the sample's id alone, so every backbone, at any size, sees the same change. The kinds are those of ImageNet-C
(Hendrycks and Dietterich, ICLR 2019) that cameras and detectors make; strengths are OURS. Pictures are changed after
they are cropped, by OpenCV and numpy.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from facebench.errors import UsageError, unknown_name
from facebench.framing import Framing
from facebench.geometry.crop import Crop, about_centre
from facebench.images import read_image
from facebench.shapes import AnyArray, ByteArray
from facebench.types import Sample

Change = Callable[[AnyArray, int, np.random.Generator], AnyArray]
"""(crop (S, S, 3) float32 in [0, 1], strength from 0, draws) to the changed crop."""

TURNS = (10, 20, 30, 45, 60)
GEOMETRIC = ("jitter", "scale", "rotate")


@dataclass(frozen=True)
class View:
    """One way of looking: `blur@3`; `amount` is a strength from 1 to 5, or percent."""

    kind: str
    amount: float

    def __str__(self) -> str:
        return f"{self.kind}@{self.amount:g}"

    @property
    def moves(self) -> bool:
        """Whether it changes where a crop lies, and not its pixels."""
        return self.kind in GEOMETRIC

    def draws(self, sample: Sample) -> np.random.Generator:
        """What is random about it for one sample."""
        digest = hashlib.sha256(f"{self}\0{sample.id}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def read_view(text: str) -> View:
    """`blur@3` as a view. Raises `UsageError`."""
    kind, _, amount = text.partition("@")
    if kind not in (*GEOMETRIC, *CHANGES):
        raise unknown_name("view", kind, (*GEOMETRIC, *CHANGES))
    try:
        value = float(amount)
    except ValueError:
        value = math.nan
    if kind in ("jitter", "scale"):
        if not 0 < value <= (50 if kind == "jitter" else 400):
            raise UsageError(f"view {text!r}: wanted percent, such as {kind}@{5 if kind == 'jitter' else 80}")
    elif value not in (1, 2, 3, 4, 5):
        raise UsageError(f"view {text!r}: wanted a strength from 1 to 5, such as {kind}@3")
    return View(kind, value)


@dataclass(frozen=True)
class ViewedFraming(Framing):
    """A framing through a view."""

    view: View

    def __str__(self) -> str:
        return f"{super().__str__()}+{self.view}" if self.view.moves else super().__str__()

    @property
    def identity(self) -> tuple[Any, ...]:
        """What features depend on."""
        return (*super().identity, str(self.view))

    def crop(self, sample: Sample) -> Crop:
        """The moved crop of `sample`. Raises `DataError` where its box has no area."""
        crop = super().crop(sample)
        if not self.view.moves:
            return crop
        rng, part = self.view.draws(sample), self.view.amount / 100
        angle, zoom, shift = 0.0, 1.0, np.zeros(2)
        if self.view.kind == "jitter":
            shift, zoom = rng.uniform(-part, part, 2) * crop.size, 1 + rng.uniform(-part, part)
        elif self.view.kind == "scale":
            zoom = part
        else:
            angle = math.radians(TURNS[int(self.view.amount) - 1]) * rng.uniform(-1, 1)
        motion = about_centre(crop.size, angle=angle, zoom=zoom, shift=shift)
        return Crop(crop.matrix @ motion, crop.size)

    def show(self, sample: Sample) -> ByteArray:
        """The crop (S, S, 3) uint8 of `sample` as the view shows it. Raises `DataError`."""
        shown = self.crop(sample).apply(read_image(sample.image))
        if self.view.moves:
            return shown
        change = CHANGES[self.view.kind]
        made = change(shown.astype(np.float32) / 255, int(self.view.amount) - 1, self.view.draws(sample))
        return np.asarray(np.clip(np.rint(made * 255), 0, 255), dtype=np.uint8)


def _blur(image: AnyArray, strength: int, rng: np.random.Generator) -> AnyArray:
    del rng
    sigma = (0.005, 0.01, 0.015, 0.025, 0.04)[strength] * image.shape[0]
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def _motion(image: AnyArray, strength: int, rng: np.random.Generator) -> AnyArray:
    length = max(3, round((0.02, 0.04, 0.06, 0.09, 0.13)[strength] * image.shape[0]) | 1)
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turn = cv2.getRotationMatrix2D((length // 2, length // 2), float(rng.uniform(0, 180)), 1)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE))


def _jpeg(image: AnyArray, strength: int, rng: np.random.Generator) -> AnyArray:
    del rng
    quality = (40, 20, 12, 8, 5)[strength]
    whole = np.rint(image[..., ::-1] * 255).astype(np.uint8)
    _, coded = cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.float32)[..., ::-1] / 255


def _dark(image: AnyArray, strength: int, rng: np.random.Generator) -> AnyArray:
    light, photons = ((1 / 2, 200), (1 / 3, 120), (1 / 5, 70), (1 / 8, 40), (1 / 12, 25))[strength]
    return np.asarray(rng.poisson(image * light * photons) / photons, np.float32)


def _noise(image: AnyArray, strength: int, rng: np.random.Generator) -> AnyArray:
    sigma = (0.04, 0.08, 0.12, 0.18, 0.26)[strength]
    return np.asarray(image + sigma * rng.standard_normal(image.shape), np.float32)


def _occlude(image: AnyArray, strength: int, rng: np.random.Generator) -> AnyArray:
    side, share = image.shape[0], (0.05, 0.1, 0.2, 0.3, 0.4)[strength]
    ratio = math.exp(rng.uniform(-0.5, 0.5))
    height, width = (min(side, round(side * math.sqrt(share * r))) for r in (ratio, 1 / ratio))
    top, left = (int(rng.uniform(0, side - length + 1)) for length in (height, width))
    made = image.copy()
    made[top : top + height, left : left + width] = 0.5
    return made


def _shrink(image: AnyArray, strength: int, rng: np.random.Generator) -> AnyArray:
    del rng
    side = image.shape[0]
    small = max(1, round(side / (2, 3, 4, 6, 8)[strength]))
    less = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(less, (side, side), interpolation=cv2.INTER_LINEAR))


CHANGES: Mapping[str, Change] = {
    "blur": _blur,
    "motion": _motion,
    "jpeg": _jpeg,
    "dark": _dark,
    "noise": _noise,
    "occlude": _occlude,
    "shrink": _shrink,
}
"""Kinds that change the pixels of a crop."""
