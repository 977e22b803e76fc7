"""Made faces in the layout of 300W: a 1-based `.pts` beside each picture.

The challenging set is drawn in the style `wild` (wide poses); its share of test is that of iBUG, 135 of 689.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facebench.synth.layouts.drawing import draw, jpeg, landmark_facts, png
from facebench.synth.layouts.layout import Entry, Job, Layout, Made, Order, held_out, job, name_for

# Shares of the packages: train 337 + 2000 + 811, common 330 + 224, in tenths; in an order by which small sets have all.
_TRAIN = ("afw", *(["lfpw/trainset"] + ["helen/trainset"] * 2) * 3)
_COMMON = ("helen/testset", "lfpw/testset", "helen/testset", "lfpw/testset", "helen/testset")
_CHALLENGE, _FULL = 135, 689


def plan(order: Order) -> Sequence[Job]:
    """Jobs of train, common and challenge."""
    val = held_out(order.train, order.val)
    train = [_job(order, "train", i, _TRAIN[i % len(_TRAIN)], val=i in val) for i in range(order.train)]
    hard = max(1, round(order.test * _CHALLENGE / _FULL)) if order.test > 1 else 0
    easy = order.test - hard
    common = [_job(order, "test", i, _COMMON[i % len(_COMMON)]) for i in range(easy)]
    return [*train, *common, *(_job(order, "test", i, "ibug", style="wild") for i in range(easy, order.test))]


def _job(order: Order, split: str, index: int, folder: str, *, val: bool = False, style: str = "mix") -> Job:
    name = name_for(f"{split}_{index:06d}", lambda name: f"{folder}/{name}", val=val)
    suffix = ".png" if folder.startswith("lfpw") else ".jpg"
    return job(order, split, index, f"{folder}/{name}{suffix}", style=style)


def make(job: Job, order: Order) -> Made:
    """Picture and 68 points."""
    face = draw(job, order)
    facts = landmark_facts(face, "ibug68")
    name, suffix = job.place[:-4], job.place[-4:]
    lines = [f"{x + 1:.6f} {y + 1:.6f}" for x, y in facts["points"]]  # Matlab's first pixel is 1
    text = "\n".join(["version: 1", f"n_points: {len(lines)}", "{", *lines, "}"]) + "\n"
    image = png(face.image) if suffix == ".png" else jpeg(face.image)
    return Made(files={job.place: image, f"{name}.pts": text.encode()}, facts=facts | {"id": name})


def assemble(folder: Path, order: Order, entries: Sequence[Entry]) -> None:
    """Nothing is left to write: 300W has no lists."""
    del folder, order, entries


LAYOUT = Layout(name="300w", folder="300W", val="part", size=256, plan=plan, make=make, assemble=assemble)
