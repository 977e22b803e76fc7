"""Which square of a picture a sample is seen through: the box, its margin, the input side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from facebench.errors import DataError
from facebench.images import image_size, read_image
from facebench.shapes import Box, ByteArray
from facebench.types import Landmarks, Sample

if TYPE_CHECKING:
    from facebench.geometry.crop import Crop

BoxKind = Literal["gt", "annotated", "whole"]


@dataclass(frozen=True)
class Framing:
    """How every sample of a benchmark is cropped.

    Attributes:
        box: `gt` (tight around the landmarks), `annotated`, or `whole` (the picture).
        scale: how much the side of the box grows.
        size: S, side of the crop, pixels.
    """

    box: BoxKind
    scale: float
    size: int

    def __str__(self) -> str:
        return f"{self.box}*{self.scale:g}"

    @property
    def identity(self) -> tuple[Any, ...]:
        """What features depend on."""
        return self.box, self.scale, self.size

    def show(self, sample: Sample) -> ByteArray:
        """The crop (S, S, 3) uint8 of `sample`. Raises `DataError`."""
        return self.crop(sample).apply(read_image(sample.image))

    def box_of(self, sample: Sample) -> Box:
        """Box of `sample`, pixels of the stored picture; a whole picture is read for its size.

        Raises:
            DataError: the sample has no such box.
        """
        if self.box == "whole":
            width, height = image_size(sample.image)
            return -0.5, -0.5, width - 0.5, height - 0.5
        if self.box == "annotated":
            if sample.box is None:
                raise DataError(f"{sample.id}: no annotated box; this data set is cropped by gt or whole")
            return sample.box
        return _landmark_box(sample)

    def crop(self, sample: Sample) -> Crop:
        """The crop of `sample`. Raises `DataError` where its box has no area."""
        from facebench.geometry.crop import square_crop

        try:
            return square_crop(self.box_of(sample), self.scale, self.size)
        except DataError as cause:
            raise DataError(f"{sample.id}: {cause}") from cause

    def label_crop(self, sample: Sample, height: int, width: int) -> Crop:
        """The crop of `sample` in pixels of its label map (H, W)."""
        return self.crop(sample).on_labels(image_size(sample.image), (width, height))


def _landmark_box(sample: Sample) -> Box:
    """From the outermost annotated points: the oracle box of HRNet, mmpose and FaRL."""
    if not isinstance(sample.target, Landmarks):
        raise DataError(f"{sample.id}: no landmarks to take a gt box from; use annotated or whole")
    located = sample.target.located
    points = sample.target.points if located is None else sample.target.points[located]
    if not len(points):
        raise DataError(f"{sample.id}: not one landmark has a place, so there is no gt box")
    (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return x0, y0, x1, y1
