"""Made faces in the layout of COFW: two Matlab 7.3 files that hold pictures, boxes and points.

One face in nine is stored grey, as some of COFW's are. Faces are drawn in the style `occlusion`, which hides points in
most pictures: that is what COFW is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facebench.images import read_image
from facebench.shapes import AnyArray
from facebench.synth.layouts.drawing import draw, landmark_facts, png
from facebench.synth.layouts.layout import Entry, Job, Layout, Made, Order, job

_SUFFIX = {"train": "Tr", "test": "T"}
_GREY = 9
_STYLES = ("occlusion", "mix", "occlusion", "wild")
_USER_BLOCK = 512
_HEADER = b"MATLAB 7.3 MAT-file, written by facebench data synth"


def plan(order: Order) -> Sequence[Job]:
    """Jobs of train, then of test."""
    sizes = {"train": order.train, "test": order.test}
    return [
        job(order, split, i, f"{split}/{i}", style=_STYLES[i % len(_STYLES)])
        for split, size in sizes.items()
        for i in range(size)
    ]


def make(job: Job, order: Order) -> Made:
    """Picture and 29 points with occlusion; the picture goes into the file of its split at the end."""
    face = draw(job, order)
    image = cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY) if job.index % _GREY == _GREY - 1 else face.image
    facts = landmark_facts(face, "cofw29") | {"id": job.place, "grey": image.ndim == 2}
    return Made(files={}, facts=facts, scratch={f"{job.key}.png": png(image)})


def assemble(folder: Path, order: Order, entries: Sequence[Entry]) -> None:
    """Write both files."""
    del order
    for split in _SUFFIX:
        _write(folder / f"COFW_{split}_color.mat", _SUFFIX[split], [e for e in entries if e.job.split == split])


def _write(path: Path, suffix: str, entries: Sequence[Entry]) -> None:
    """One file as Matlab lays it out: transposed arrays, pictures behind references, a text of 512 bytes in front."""
    import h5py

    points = np.array([entry.facts["points"] for entry in entries])
    hidden = ~np.array([entry.facts["visible"] for entry in entries])
    x0, y0, x1, y1 = np.array([entry.facts["box"] for entry in entries]).T
    phis = np.concatenate([points[..., 0], points[..., 1], hidden], axis=1)
    with h5py.File(path, "w", userblock_size=_USER_BLOCK) as file:
        _matlab(file, f"phis{suffix}", phis.T, "double")
        _matlab(file, f"bboxes{suffix}", np.stack([x0, y0, x1 - x0, y1 - y0]), "double")
        cells = file.create_dataset(f"Is{suffix}", (1, len(entries)), dtype=h5py.ref_dtype)
        cells.attrs["MATLAB_class"] = np.bytes_("cell")
        for i, entry in enumerate(entries):
            # Matlab's H x W x 3 lies in the file as 3 x W x H.
            _matlab(file, f"#refs#/{i}", _picture(entry).T, "uint8")
            cells[0, i] = file[f"#refs#/{i}"].ref
    with path.open("r+b") as raw:
        # What Matlab looks for: text, version 2.0, and the mark of the byte order.
        raw.write(_HEADER.ljust(124) + b"\x00\x02IM")


def _matlab(file: Any, name: str, values: AnyArray, kind: str) -> None:
    file.create_dataset(name, data=values, track_times=False).attrs["MATLAB_class"] = np.bytes_(kind)


def _picture(entry: Entry) -> AnyArray:
    """(H, W, 3) uint8, or (H, W) where the picture is stored grey."""
    image = read_image(entry.scratch / f"{entry.job.key}.png")
    return image[..., 0] if entry.facts["grey"] else image


LAYOUT = Layout(name="cofw", folder="COFW", val="fixed", size=256, plan=plan, make=make, assemble=assemble)
