"""One affine between a stored picture and the square crop that a backbone sees; half-pixels live here and nowhere else.

Conventions:
    - Pixel centres lie at integers on both sides: the centre of the crop's top left pixel is (0, 0), and so is that of
      the picture's.
    - A crop covers a square of the picture *edge to edge*: its pixels tile the square. The crop's outer edge, half a
      pixel outside its outermost centres, is the square's edge. So with scale r = side / S and centre c, the crop
      pixel u lies at  c + (u - (S - 1) / 2) r.
    - The square of a box (x0, y0, x1, y1) has the box's centre and its larger side, times the scale. The box of
      landmarks goes from the outermost points; the box of a whole picture goes from pixel edge to pixel edge, so from
      -0.5 to W - 0.5. A box is never squashed: FaRL resizes non-square AFLW boxes to a square, but those are square.
    - What lies outside the picture is black, as in HRNet's, FaRL's and mmpose's crops.
    - Shrinking: each crop pixel is the mean of f x f bilinear samples, f = ceil(r), so that no detail is folded into a
      false one (`cv2.warpAffine` alone skips pixels when it shrinks).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from facebench.errors import DataError
from facebench.shapes import BoolArray, Box, ByteArray, FloatArray

MAX_SIDE = 8192
"""Largest side of the oversampled crop, pixels (200 MB); beyond it the samples of a huge picture lie further apart."""

INTERPOLATION = "bilinear, mean of ceil(r) x ceil(r), black outside"
"""How crops are sampled, for the record and for the cache key; changes whenever a crop's pixels can."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A square crop of a stored picture.

    Attributes:
        matrix: (2, 3) float64, crop pixels to picture pixels: x = matrix @ (u, v, 1).
        size: S, side of the crop, pixels.
    """

    matrix: FloatArray
    size: int

    def apply(self, image: ByteArray) -> ByteArray:
        """The crop (S, S, 3) uint8 of `image` (H, W, 3) uint8."""
        fine = oversampling(self.scale, self.size)
        if fine == 1:
            return _warp(image, self.matrix, self.size)
        # Centre of sub-sample j of a crop pixel: u = (j + 0.5) / f - 0.5.
        sub = np.array([[1 / fine, 0, 0.5 / fine - 0.5], [0, 1 / fine, 0.5 / fine - 0.5], [0, 0, 1]])
        large = _warp(image, self.matrix @ sub, self.size * fine)
        return np.asarray(cv2.resize(large, (self.size, self.size), interpolation=cv2.INTER_AREA), dtype=np.uint8)

    @property
    def scale(self) -> float:
        """Picture pixels per crop pixel."""
        return math.sqrt(abs(float(np.linalg.det(self.matrix[:, :2]))))

    def to_image(self, points: FloatArray) -> FloatArray:
        """Crop pixels (..., 2) to picture pixels (..., 2)."""
        return np.asarray(points @ self.matrix[:, :2].T + self.matrix[:, 2])

    def to_crop(self, points: FloatArray) -> FloatArray:
        """Picture pixels (..., 2) to crop pixels (..., 2)."""
        return np.asarray((points - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T)

    def on_labels(self, picture: tuple[int, int], labels: tuple[int, int]) -> Crop:
        """The same square in pixels of a label map; both (width, height).

        A label map may be stored at another size than its picture (CelebAMask-HQ: 512 and 1024). Both show the same
        square, so pixels of one are carried to pixels of the other edge to edge.
        """
        if picture == labels:
            return self
        scale = np.array(labels) / np.array(picture)
        matrix = self.matrix * scale[:, None]
        matrix[:, 2] += (scale - 1) / 2
        return Crop(matrix, self.size)

    def warp_labels(self, labels: ByteArray, grid: int) -> ByteArray:
        """A stored label map (H, W) as a (grid, grid) map over the crop: the class at each cell's centre.

        What lies outside the picture is class 0, the background.
        """
        matrix = self.matrix @ cell_matrix(grid, self.size)
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        warped = cv2.warpAffine(
            labels, matrix, (grid, grid), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=0
        )
        return np.asarray(warped, dtype=np.uint8)

    def restore_labels(self, logits: FloatArray, height: int, width: int) -> ByteArray:
        """Class of each stored pixel: bilinear logits, then the argmax (ties to the lower class).

        Upsampled logits keep a boundary smooth where upsampled labels would be stairs. One class is warped at a time,
        so memory stays at three (H, W) planes whatever C is.

        Args:
            logits: (C, G, G) over the crop, cell by cell.
            height: H of the stored label map.
            width: W of the stored label map.

        Returns:
            (H, W) uint8; 0 (background) outside the crop.
        """
        grid = logits.shape[-1]
        matrix = np.vstack([self.matrix @ cell_matrix(grid, self.size), [0, 0, 1]])
        back = np.linalg.inv(matrix)[:2]
        best = np.full((height, width), -np.inf, dtype=np.float32)
        label = np.zeros((height, width), dtype=np.uint8)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        for c, plane in enumerate(logits):
            plane = np.ascontiguousarray(plane, dtype=np.float32)
            warped = cv2.warpAffine(plane, back, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
            better = warped > best
            best[better] = warped[better]
            label[better] = c
        label[~self._covers(height, width)] = 0
        return label

    def _covers(self, height: int, width: int) -> BoolArray:
        inverse = np.linalg.inv(np.vstack([self.matrix, [0, 0, 1]]))
        x, y = np.arange(width), np.arange(height)[:, None]
        low, high = -0.5 - 1e-9, self.size - 0.5 + 1e-9
        inside = np.ones((height, width), dtype=bool)
        for row in inverse[:2]:
            place = row[0] * x + row[1] * y + row[2]
            inside &= (place >= low) & (place <= high)
        return inside


def about_centre(size: int, *, angle: float, zoom: float, shift: FloatArray) -> FloatArray:
    """(3, 3) motion of a crop of side `size`: turned (radians), zoomed about the centre, moved by `shift` pixels."""
    c, s, centre = zoom * math.cos(angle), zoom * math.sin(angle), (size - 1) / 2
    linear = np.array([[c, -s], [s, c]])
    motion = np.eye(3)
    motion[:2, :2], motion[:2, 2] = linear, centre + shift - linear @ (centre, centre)
    return motion


def oversampling(scale: float, size: int) -> int:
    """f, samples per crop pixel and axis, for a crop of `scale` picture pixels per crop pixel."""
    return max(1, min(math.ceil(scale - 1e-6), MAX_SIDE // size))


def cell_matrix(grid: int, size: int) -> FloatArray:
    """(3, 3) from cells of a (grid, grid) map, tiling the crop edge to edge, to pixels of the crop of side `size`."""
    r = size / grid
    return np.array([[r, 0, (r - 1) / 2], [0, r, (r - 1) / 2], [0, 0, 1]])


def square_crop(box: Box, scale: float, size: int) -> Crop:
    """The crop of side `size` over the square of `box`: its centre, its larger side times `scale`.

    Raises:
        DataError: the box is empty or not finite.
    """
    x0, y0, x1, y1 = (float(v) for v in box)
    side = max(x1 - x0, y1 - y0) * scale
    if not (math.isfinite(side) and math.isfinite(x0 + y0) and x1 > x0 and y1 > y0):
        raise DataError(f"box ({x0:g}, {y0:g}, {x1:g}, {y1:g}) has no area; a crop needs one")
    r, half = side / size, (size - 1) / 2
    centre = ((x0 + x1) / 2, (y0 + y1) / 2)
    return Crop(np.array([[r, 0, centre[0] - r * half], [0, r, centre[1] - r * half]]), size)


def _warp(image: ByteArray, matrix: FloatArray, size: int) -> ByteArray:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(warped, dtype=np.uint8)
