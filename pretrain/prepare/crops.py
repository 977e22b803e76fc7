"""From a picture to the crop of its face: read, choose, cut, encode, hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facebench.errors import DataError
from facebench.geometry.crop import Crop, square_crop
from facebench.geometry.similarity import fit_similarity
from facebench.images import decode_image, decode_label_map
from facebench.schemes import LAPA11
from facebench.shapes import ByteArray, FloatArray
from pretrain.method.regions import CANVAS, TEMPLATE, five_points
from pretrain.prepare.faces import Face, choose, parse_faces, whole_picture
from pretrain.prepare.hashes import phash
from pretrain.prepare.items import Item, Made, Reason, Rejected
from pretrain.prepare.options import Options

if TYPE_CHECKING:
    from pretrain.prepare.detect import Detector


class _Refused(Exception):
    """Ends the work on one picture, inside this file only."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason: Reason = reason
        self.detail = detail


@dataclass(frozen=True, eq=False)
class Maker:
    """Makes crops of pictures, in any thread.

    Attributes:
        options: how.
        detector: finds faces; None where they are read.
        leaks: whether to hash the whole picture too.
    """

    options: Options
    detector: Detector | None
    leaks: bool

    def __call__(self, item: Item | Rejected) -> Made | Rejected:
        """The crop of `item`, or why there is none."""
        if isinstance(item, Rejected):
            return item
        try:
            return self._made(item)
        except _Refused as refused:
            return Rejected(item.source, refused.reason, refused.detail)

    def _made(self, item: Item) -> Made:
        image = _picture(item)
        face = self._face(item, image)
        crop = self._crop(face)
        pixels = crop.apply(image)
        encoded = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.options.quality])[1]
        return Made(
            source=item.source,
            jpeg=encoded.tobytes(),
            points=None if face.points is None else crop.to_crop(face.points),
            seg=None if item.parsing is None else _label_map(item, image, crop),
            phash=phash(pixels),
            whole_phash=phash(image) if self.leaks else None,
        )

    def _face(self, item: Item, image: ByteArray) -> Face:
        height, width = image.shape[:2]
        faces = self.detector.faces(image) if self.detector is not None else _described(item, width, height)
        if self.options.whole:
            return whole_picture(faces, width, height)
        chosen = choose(faces, min_score=self.options.min_score, min_side=self.options.min_side)
        if not isinstance(chosen, Face):
            raise _Refused(*chosen)
        return chosen

    def _crop(self, face: Face) -> Crop:
        size = self.options.size
        if self.options.align == "similarity" and face.points is not None:
            return upright_crop(face.points, size)
        return square_crop(face.box, 1.0 if self.options.whole else self.options.scale, size)


def upright_crop(points: FloatArray, size: int) -> Crop:
    """The crop of side `size`, turned and scaled so that its five or 68 `points` lie as in FaRL's template."""
    fit = fit_similarity((TEMPLATE + 0.5) * size / CANVAS - 0.5, five_points(points))
    if np.linalg.det(fit.rotation) < 0:
        raise _Refused("landmarks", "left and right are swapped")
    return Crop(np.column_stack([fit.scale * fit.rotation.T, fit.translation]), size)


def _picture(item: Item) -> ByteArray:
    try:
        return decode_image(item.picture.read(), item.source)
    except DataError as cause:
        raise _Refused("unreadable", str(cause)) from cause


def _described(item: Item, width: int, height: int) -> tuple[Face, ...]:
    """Faces by the metadata of `item`; those of `--faces` go before the sidecar's."""
    record = item.faces or item.sidecar
    if record is None:
        return ()
    try:
        return parse_faces(record.read(), width, height)
    except (DataError, ValueError) as cause:
        raise _Refused("sidecar", f"{record.path.name}: {cause}") from cause


def _label_map(item: Item, image: ByteArray, crop: Crop) -> bytes:
    assert item.parsing is not None
    name = item.parsing.path.name
    try:
        labels = decode_label_map(item.parsing.read(), name, LAPA11.size)
    except DataError as cause:
        raise _Refused("parsing", str(cause)) from cause
    if labels.shape != image.shape[:2]:
        (height, width), (rows, columns) = image.shape[:2], labels.shape
        raise _Refused("parsing", f"{name} is {columns} x {rows} pixels, its picture {width} x {height}")
    return bytes(cv2.imencode(".png", crop.warp_labels(labels, crop.size))[1].tobytes())
