"""Made faces in the layout of LaPa: picture, label map and 106 points of each face, three official splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facebench.synth.layouts.drawing import decimals, draw, jpeg, landmark_facts, png
from facebench.synth.layouts.layout import Entry, Job, Layout, Made, Order, job


def plan(order: Order) -> Sequence[Job]:
    """Jobs of the three splits."""
    sizes = {"train": order.train, "val": order.val, "test": order.test}
    return [job(order, split, i, f"{split}_{i:06d}_0") for split, size in sizes.items() for i in range(size)]


def make(job: Job, order: Order) -> Made:
    """Picture, label map and points."""
    face = draw(job, order)
    facts = landmark_facts(face, "lapa106")
    points = facts["points"]
    lines = [str(len(points)), *(decimals([point]) for point in points)]
    files = {
        f"{job.split}/images/{job.place}.jpg": jpeg(face.image),
        f"{job.split}/labels/{job.place}.png": png(face.lapa_labels),
        f"{job.split}/landmarks/{job.place}.txt": ("\n".join(lines) + "\n").encode(),
    }
    return Made(files=files, facts={"id": job.place, "slices": facts["slices"]})


def assemble(folder: Path, order: Order, entries: Sequence[Entry]) -> None:
    """Nothing is left to write: LaPa has no lists."""
    del folder, order, entries


LAYOUT = Layout(name="lapa", folder="LaPa", val="own", size=256, plan=plan, make=make, assemble=assemble)
