"""Made faces in the layout of CelebAMask-HQ: pictures, part masks in folders of 2,000, mapping and CelebA's partition.

Masks have the size of the pictures, 512 unless another is asked for: the official pictures are twice as large as their
masks, which costs four times the drawing and is reduced again before any backbone sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facebench.synth.layouts.drawing import draw, jpeg, png, slice_columns
from facebench.synth.layouts.layout import Entry, Job, Layout, Made, Order, job

_FOLDER = 2000  # g_mask.py
_GROUPS = {"train": 0, "val": 1, "test": 2}


def plan(order: Order) -> Sequence[Job]:
    """Jobs by the number of the picture: train, val, test."""
    counts = {"train": order.train, "val": order.val, "test": order.test}
    numbered = enumerate((split, i) for split, count in counts.items() for i in range(count))
    return [job(order, split, i, str(number)) for number, (split, i) in numbered]


def make(job: Job, order: Order) -> Made:
    """Picture, and a mask of each part that the face has."""
    face = draw(job, order)
    number = int(job.place)
    masks = {
        f"CelebAMask-HQ-mask-anno/{number // _FOLDER}/{number:05d}_{part}.png": png(mask.astype(np.uint8) * 255)
        for part, mask in face.celeb_parts.items()
        if mask.any()
    }
    files = {f"CelebA-HQ-img/{number}.jpg": jpeg(face.image), **masks}
    return Made(files=files, facts={"id": job.place, "slices": slice_columns(face.slices)})


def assemble(folder: Path, order: Order, entries: Sequence[Entry]) -> None:
    """Write the mapping to CelebA and CelebA's partition; picture k of the one is picture k + 1 of the other."""
    del order
    names = [f"{int(entry.job.place) + 1:06d}.jpg" for entry in entries]
    rows = [f"{e.job.place}\t\t{e.job.place}\t\t{name}\n" for e, name in zip(entries, names, strict=True)]
    groups = [f"{name} {_GROUPS[e.job.split]}\n" for e, name in zip(entries, names, strict=True)]
    mapping = "idx\t\torig_idx\torig_file\n" + "".join(rows)
    (folder / "CelebA-HQ-to-CelebA-mapping.txt").write_text(mapping, encoding="utf-8")
    (folder / "list_eval_partition.txt").write_text("".join(groups), encoding="utf-8")


LAYOUT = Layout(
    name="celebamask-hq", folder="CelebAMask-HQ", val="own", size=512, plan=plan, make=make, assemble=assemble
)
