"""Pictures of the faces that changed most: what the base and the candidate predicted on each, beside the truth.

Only drawn faces are shown: no licence of the real sets lets their pictures be passed on, and a page easily is.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facebench.errors import DataError
from facebench.framing import Framing
from facebench.images import read_image
from facebench.record import parse_signature
from facebench.types import Dataset, LabelMap, Landmarks, Predictions, Sample

if TYPE_CHECKING:
    from PIL.Image import Image

    from facebench.shapes import AnyArray, FloatArray
    from facebench.verdicts.compare import Moved, Report
    from facebench.verdicts.rows import Row

SIDE = 176
"""Of a tile, pixels."""

FACES = 20
TIMES = 3  # points are drawn larger and shrunk, since Pillow's edges are hard
TRUE, FOUND, MISS = (60, 235, 110), (255, 214, 60), (255, 70, 60)


@dataclass(frozen=True)
class Tile:
    """One face: its id, its two scores, and a picture (data URI) with base and candidate side by side."""

    id: str
    base: float
    candidate: float
    gain: float
    picture: str


@dataclass(frozen=True)
class Pictures:
    """Tiles, or why there are none."""

    tiles: tuple[Tile, ...]
    reason: str = ""


def pictures_of(report: Report, dataset: Dataset, root: Path | None) -> Pictures:
    """Tiles of the faces of `report` that changed most."""
    base, candidate = report.contest.base[0], report.contest.candidate[0]
    if parse_signature(base.result.signature).get("world") != "synthetic":
        return Pictures(
            (), f"pictures left out: {dataset.title} is under a licence that does not let them be passed on"
        )
    if dataset.task == "reconstruction":
        return Pictures((), "no pictures: meshes are not kept by a run")
    if root is None:
        return Pictures((), "no pictures: name the data root with --data")
    if not report.moved:
        return Pictures((), "no face changed")
    try:
        samples = {sample.id: sample for sample in dataset.samples(root, base.result.dataset.split)}
        framing = Framing(dataset.box, dataset.box_scale, SIDE)
        readers = [_reader(row, dataset) for row in (base, candidate)]
        chosen = _ends(report.moved)
        tiles = [_tile(moved, samples[moved.id], framing, readers) for moved in chosen if moved.id in samples]
    except (DataError, OSError, KeyError) as cause:
        return Pictures((), f"no pictures: {cause}")
    return Pictures(tuple(tiles))


def _ends(moved: Sequence[Moved]) -> Sequence[Moved]:
    """Half of `FACES` from each end of the list."""
    half = FACES // 2
    return moved if len(moved) <= FACES else [*moved[:half], *moved[-half:]]


def _reader(row: Row, dataset: Dataset) -> Predictions:
    from facebench.predictions import open_predictions

    path = row.folder / ("predictions.npz" if dataset.task == "landmarks" else "predictions")
    if not path.exists():
        raise DataError(f"{path} is not there; `facebench run` keeps predictions beside its record")
    return open_predictions(dataset, path, settings={})


def _tile(moved: Moved, sample: Sample, framing: Framing, readers: Sequence[Predictions]) -> Tile:
    from PIL import Image

    crop = framing.crop(sample)
    face = crop.apply(read_image(sample.image))
    if isinstance(sample.target, Landmarks):
        truth = crop.to_crop(sample.target.points)
        parts = [_points(face, truth, crop.to_crop(np.asarray(r.read(sample)))) for r in readers]
    else:
        assert isinstance(sample.target, LabelMap), sample.id
        parts = [_painted(face, np.asarray(r.read(sample)), sample, framing) for r in readers]
    whole = Image.new("RGB", (2 * SIDE + 4, SIDE), (128, 128, 128))
    whole.paste(parts[0], (0, 0))
    whole.paste(parts[1], (SIDE + 4, 0))
    return Tile(moved.id, moved.base, moved.candidate, moved.gain, _uri(whole))


def _points(face: AnyArray, truth: FloatArray, found: FloatArray) -> Image:
    """Predicted points on the crop, with a line to where each should be."""
    from PIL import Image, ImageDraw

    large = Image.fromarray(face).resize((SIDE * TIMES, SIDE * TIMES), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(large)
    for end, start in zip((found + 0.5) * TIMES, (truth + 0.5) * TIMES, strict=True):
        draw.line([*start, *end], fill=MISS, width=TIMES)
    for x, y in (found + 0.5) * TIMES:
        draw.ellipse([x - 4, y - 4, x + 4, y + 4], fill=FOUND, outline=(0, 0, 0))
    return large.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _painted(face: AnyArray, labels: AnyArray, sample: Sample, framing: Framing) -> Image:
    """The predicted label map in colours, seen through the crop, half over the face."""
    from PIL import Image

    hues = np.linspace(0, 1, int(labels.max()) + 2)[:-1]
    colours = np.stack([128 + 127 * np.cos(2 * np.pi * (hues + shift)) for shift in (0, 1 / 3, 2 / 3)], axis=1)
    seen = framing.label_crop(sample, *labels.shape).warp_labels(labels, SIDE)
    share = np.where(seen > 0, 0.55, 0.0)[..., None]  # the background stays as it is
    return Image.fromarray(((1 - share) * face + share * colours[seen]).astype(np.uint8))


def _uri(picture: Image) -> str:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
