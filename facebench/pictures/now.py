"""Pictures of a NoW result: the aligned mesh over the scan, where the error lies, and the cumulative error curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from facebench.datasets.now import CHALLENGES
from facebench.errors import DataError, UsageError
from facebench.evaluators.reconstruction import DEFAULT_MODE
from facebench.metrics.scan import Mode, ScanFit, Unit, face_scan, fit_prediction
from facebench.metrics.scan_statistics import BIN
from facebench.pictures.curve import Line, draw_curves
from facebench.pictures.shaded import View, draw_mesh, error_colours, face_view
from facebench.sample_table import SampleTable
from facebench.shapes import AnyArray, FloatArray
from facebench.types import Mesh, Predictions, Sample, Scan, ScanFiles

if TYPE_CHECKING:
    from PIL.Image import Image

PANEL = (320, 360)  # pixels
MOST = 4.0  # mm; the colour scale of every picture, so that pictures can be compared
REACH = 8.0  # mm; of the curve, as in the official plot
TURN = 40.0  # degrees
_SCAN_COLOUR, _MESH_COLOUR = (0.82, 0.76, 0.70), (0.45, 0.62, 0.85)


def draw_pictures(
    folder: Path, samples: Sequence[Sample], predictions: Predictions, table: SampleTable,
    *, settings: Mapping[str, str], worst: int, named: Sequence[str],
) -> list[Path]:  # fmt: skip
    """Draw the worst images, the named ones and the curve into `folder`.

    Args:
        folder: made where it does not exist.
        samples: the split.
        predictions: what was scored.
        table: its statistics.
        settings: those it was scored with.
        worst: how many of the images with the largest means.
        named: ids of further images.

    Returns:
        The files, the curve last.

    Raises:
        UsageError: a named image is not among the scored ones.
        DataError: the folder cannot be written.
    """
    scored = {s.id: s for s in samples if s.id in set(table.ids)}
    unknown = [name for name in named if name not in scored]
    if unknown:
        raise UsageError(f"no scored image is called {unknown[0]!r}; ids look like {next(iter(scored), 'none')!r}")
    chosen = dict.fromkeys([*named, *worst_images(table, worst)])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = [_write_image(folder, scored[name], predictions, settings) for name in chosen]
        written.append(folder / "cumulative.png")
        draw_curves(cumulative_lines(table), reach=REACH, title="cumulative error").save(written[-1])
    except OSError as cause:
        raise DataError(f"cannot write {folder}: {cause.strerror or cause}") from cause
    return written


def worst_images(table: SampleTable, count: int) -> list[str]:
    """Ids of the images with the largest mean distance, the worst first."""
    means = np.asarray(table.columns["sum"], dtype=np.float64) / np.maximum(table.columns["n"], 1)
    return [table.ids[k] for k in np.argsort(-means, kind="stable")[:count]]


def cumulative_lines(table: SampleTable) -> list[Line]:
    """Percent of all distances up to each bin, for the set and for each challenge."""
    everyone = np.ones(len(table.ids), dtype=bool)
    groups = {"all": everyone, **{k: m for k, m in table.subsets.items() if k in CHALLENGES and m.any()}}
    at = np.arange(int(REACH / BIN) + 1)
    lines = []
    for name, mask in groups.items():
        counts = np.zeros(len(at))
        for histogram in table.columns["histogram"][mask]:
            part = histogram[: len(at) - 1]
            counts[1 : len(part) + 1] += part
        total = float(np.sum(table.columns["n"][mask]))
        lines.append(Line(name, np.asarray(at * BIN, dtype=np.float64), 100 * np.cumsum(counts) / total))
    return lines


def _write_image(folder: Path, sample: Sample, predictions: Predictions, settings: Mapping[str, str]) -> Path:
    assert isinstance(sample.target, ScanFiles)
    scan, prediction = sample.target.read(), predictions.read(sample)
    assert isinstance(prediction, Scan)
    fit = fit_prediction(
        scan, prediction,
        mode=cast(Mode, settings.get("mode", DEFAULT_MODE)), metrical=cast("Unit | None", settings.get("unit")),
    )  # fmt: skip
    path = folder / f"{sample.id.replace('/', '__')}.png"
    image_picture(scan, prediction, fit, title=sample.id).save(path)
    return path


def image_picture(scan: Scan, prediction: Scan, fit: ScanFit, *, title: str) -> Image:
    """Scan, prediction and both together, and the error on the scan; from the front and from the side."""
    face = face_scan(scan)
    radius = face.sphere.radius
    front = face_view(scan.landmarks, radius=1.15 * radius, size=PANEL, centre=face.sphere.centre)
    front = replace(front, centre=front.centre - 0.4 * radius * front.axes[2])  # turn about the middle of the head
    near = _near(scan.mesh, face.sphere.centre, 1.5 * radius)
    aligned = Mesh(fit.apply(prediction.mesh.vertices), prediction.mesh.faces)
    aligned = _near(aligned, face.sphere.centre, 1.5 * radius)
    faces = np.concatenate([near.faces, aligned.faces + len(near.vertices)])
    both = Mesh(np.concatenate([near.vertices, aligned.vertices]), faces)
    paint = np.repeat([_SCAN_COLOUR, _MESH_COLOUR], [len(near.vertices), len(aligned.vertices)], axis=0)
    panels = [
        ("scan", near, paint[: len(near.vertices)]),
        ("prediction", aligned, paint[len(near.vertices) :]),
        ("one over the other", both, paint),
        (f"distance, 0 to {MOST:g} mm", face.crop.mesh, error_colours(fit.distances, most=MOST)),
    ]
    rows = [_row(panels, view) for view in (front, front.turned(TURN))]
    d = fit.distances
    text = f"{title}   median {np.median(d):.3f}   mean {d.mean():.3f}   std {d.std():.3f} mm   {len(d):,} vertices"
    return _compose(rows, [label for label, _, _ in panels], text)


def _near(mesh: Mesh, centre: FloatArray, radius: float) -> Mesh:
    """The part of a mesh about the face, so that a neck or a body does not hide it."""
    inside = np.linalg.norm(mesh.vertices - centre, axis=1) <= radius
    return Mesh(mesh.vertices, mesh.faces[inside[mesh.faces].all(axis=1)])


def _row(panels: Sequence[tuple[str, Mesh, FloatArray]], view: View) -> AnyArray:
    return np.concatenate([draw_mesh(mesh, colours, view) for _, mesh, colours in panels], axis=1)


def _compose(rows: Sequence[AnyArray], labels: Sequence[str], text: str) -> Image:
    from PIL import Image, ImageDraw, ImageFont

    body = np.concatenate(rows, axis=0)
    whole = np.full((body.shape[0] + 56, body.shape[1], 3), 255, np.uint8)
    whole[48 : 48 + len(body)] = body
    whole[-8:] = np.round(255 * error_colours(np.linspace(0, MOST, whole.shape[1]), most=MOST)).astype(np.uint8)
    picture = Image.fromarray(whole)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(15)
    pen.text((8, 5), text, fill=(0, 0, 0), font=font)
    for k, label in enumerate(labels):
        pen.text((k * PANEL[0] + 8, 27), label, fill=(70, 70, 70), font=font)
    return picture
