"""Made faces in the layout of AFLW-19: one .mat file with boxes, points and visibility, pictures below `flickr/`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.layouts.drawing import draw, jpeg, landmark_facts, settled
from facebench.synth.layouts.layout import Entry, Job, Layout, Made, Order, held_out, job, name_for

_FOLDER = 1000
"""Pictures a folder below `flickr`; AFLW itself has three large ones."""

_HEADER = b"MATLAB 5.0 MAT-file, written by facebench data synth"


def plan(order: Order) -> Sequence[Job]:
    """Jobs in the order of the rows of the file: train, then test."""
    val = held_out(order.train, order.val)
    train = [job(order, "train", i, _place("train", i, val=i in val)) for i in range(order.train)]
    return [*train, *(job(order, "test", i, _place("test", i, val=False)) for i in range(order.test))]


def _place(split: str, index: int, *, val: bool) -> str:
    folder = f"{split}{index // _FOLDER}"
    return f"{folder}/{name_for(f'image{index:06d}', lambda name: f'{folder}/{name}.jpg', val=val)}.jpg"


def make(job: Job, order: Order) -> Made:
    """Picture, 19 points with visibility, and the square box that AFLW's annotators drew."""
    face = draw(job, order)
    facts = landmark_facts(face, "aflw19")
    row = job.index + (order.train if job.split == "test" else 0)
    facts |= {"id": f"{job.place}#{row}", "square": settled(_square(face.box))}
    return Made(files={f"flickr/{job.place}": jpeg(face.image)}, facts=facts)


def _square(box: AnyArray) -> AnyArray:
    """Square of the longer side about the centre of `box`; the boxes of AFLW are square (FaRL: box/diag = 1.4142)."""
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max() / 2
    return np.concatenate([centre - half, centre + half])


def assemble(folder: Path, order: Order, entries: Sequence[Entry]) -> None:
    """Write `AFLWinfo_release.mat`, whose `train_count` says where its permutation is cut."""
    from scipy.io import savemat

    points = np.array([entry.facts["points"] for entry in entries])
    names = np.empty((len(entries), 1), dtype=object)
    names[:, 0] = [entry.job.place for entry in entries]
    buffer = io.BytesIO()
    savemat(
        buffer,
        {
            "bbox": np.array([entry.facts["square"] for entry in entries])[:, [0, 2, 1, 3]],
            "data": np.concatenate([points[..., 0], points[..., 1]], axis=1),
            "mask_new": np.array([entry.facts["visible"] for entry in entries], dtype=np.float64),
            "nameList": names,
            "ra": 1.0 + np.arange(len(entries))[None],
            "train_count": float(order.train),
        },
        do_compression=True,
    )
    content = buffer.getvalue()
    # The first 116 bytes are a text in which scipy names the hour.
    (folder / "AFLWinfo_release.mat").write_bytes(_HEADER.ljust(116) + content[116:])


LAYOUT = Layout(name="aflw19", folder="AFLW", val="part", size=256, plan=plan, make=make, assemble=assemble)
