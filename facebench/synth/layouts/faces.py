"""Unlabelled made faces for pre-training, as img2dataset leaves a web collection: a picture and a sidecar each.

    faces/00000/000000012.jpg
    faces/00000/000000012.json    {"key": "000000012", "status": "success", "width": 256, "height": 256,
                                   "original_width": 256, "original_height": 256, "sha256": "...",
                                   "faces": [{"box": [x0, y0, x1, y1], "landmarks": [[x, y], ... five], "score": 1.0}]}

The five points are, as RetinaFace gives them: image-left eye, image-right eye, nose tip, image-left and image-right
corner of the mouth; pixels of the picture, 0-based. LAION-Face describes its pictures by the same three things: box,
landmarks, score. Points are off as a detector's are (`JITTER`), so that nothing learns from their exactness; there is
no other label, and no `slices.csv`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.layouts.drawing import draw, jpeg, settled
from facebench.synth.layouts.layout import Entry, Job, Layout, Made, Order, job

JITTER = 0.0175
"""Standard deviation of each coordinate, as a share of the face size sqrt(w h): a mean error of 2.2 %, since a Gaussian
in the plane errs by 1.2533 of it on average. One-stage detectors of five points reach about as much on AFLW."""

_SHARD = 10_000  # img2dataset's samples a shard


def plan(order: Order) -> Sequence[Job]:
    """Every crop, numbered through."""
    return [job(order, "train", i, f"{i // _SHARD:05d}/{i:09d}") for i in range(order.train)]


def make(job: Job, order: Order) -> Made:
    """Picture and sidecar."""
    face = draw(job, order)
    picture = jpeg(face.image)
    size = {f"{prefix}{side}": order.size for prefix in ("", "original_") for side in ("width", "height")}
    found = {"box": settled(face.box), "landmarks": settled(detected(face.landmarks["five"], face.box, job.image))}
    sidecar = {
        "key": job.place.rpartition("/")[2],
        "status": "success",
        **size,
        "sha256": hashlib.sha256(picture).hexdigest(),
        "faces": [{**found, "score": 1.0}],
    }
    text = json.dumps(sidecar) + "\n"
    return Made(files={f"{job.place}.jpg": picture, f"{job.place}.json": text.encode()}, facts={})


def detected(points: AnyArray, box: AnyArray, seed: int) -> AnyArray:
    """`points` (5, 2) as a detector would find them on the face in `box` (4,), pixels."""
    spread = JITTER * float(np.sqrt(np.prod(box[2:] - box[:2])))
    return np.asarray(points + np.random.default_rng([606, seed]).normal(scale=spread, size=points.shape))


def assemble(folder: Path, order: Order, entries: Sequence[Entry]) -> None:
    """Nothing is left to write: every crop describes itself."""
    del folder, order, entries


LAYOUT = Layout(name="faces", folder="faces", val="none", size=256, plan=plan, make=make, assemble=assemble)
