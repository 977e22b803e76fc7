"""Made faces in the layout of WFLW: 207-word lists, six subset lists, pictures in event folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facebench.datasets.wflw import SUBSETS
from facebench.synth.layouts.drawing import decimals, draw, jpeg, landmark_facts
from facebench.synth.layouts.layout import Entry, Job, Layout, Made, Order, held_out, job, name_for

PICTURES, LISTS = "WFLW_images", "WFLW_annotations"
_EVENT = 1000
"""Pictures an event folder."""


def plan(order: Order) -> Sequence[Job]:
    """Jobs of the training list, then of the test list."""
    val = held_out(order.train, order.val)
    train = [job(order, "train", i, _place("train", i, val=i in val)) for i in range(order.train)]
    return [*train, *(job(order, "test", i, _place("test", i, val=False)) for i in range(order.test))]


def _place(split: str, index: int, *, val: bool) -> str:
    event = f"{index // _EVENT}--{split.title()}"
    stem = f"{index // _EVENT}_{split.title()}_{index:06d}"
    return f"{event}/{name_for(stem, lambda name: f'{event}/{name}.jpg', val=val)}.jpg"


def make(job: Job, order: Order) -> Made:
    """Picture, 98 points, rectangle and attributes."""
    face = draw(job, order)
    facts = landmark_facts(face, "wflw98")
    x, y = facts["points"][0]
    facts |= {
        "id": f"{job.place}#{round(x)},{round(y)}",
        "rect": [round(v) for v in facts["box"]],  # WFLW's rectangles are whole pixels
        "attributes": [int(face.attributes[name]) for name in SUBSETS],
    }
    return Made(files={f"{PICTURES}/{job.place}": jpeg(face.image)}, facts=facts)


def assemble(folder: Path, order: Order, entries: Sequence[Entry]) -> None:
    """Write both lists and the six subset lists of test."""
    del order
    for split in ("train", "test"):
        lines = [_line(entry) for entry in entries if entry.job.split == split]
        _write(folder / LISTS / "list_98pt_rect_attr_train_test" / f"list_98pt_rect_attr_{split}.txt", lines)
    for number, subset in enumerate(SUBSETS):
        members = [e for e in entries if e.job.split == "test" and e.facts["attributes"][number]]
        name = "largepose" if subset == "pose" else subset
        lines = [f"{decimals(entry.facts['points'])} {entry.job.place}" for entry in members]
        _write(folder / LISTS / "list_98pt_test" / f"list_98pt_test_{name}.txt", lines)


def _line(entry: Entry) -> str:
    facts = entry.facts
    flags = " ".join(map(str, [*facts["rect"], *facts["attributes"]]))
    return f"{decimals(facts['points'])} {flags} {entry.job.place}"


def _write(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


LAYOUT = Layout(name="wflw", folder="WFLW", val="part", size=256, plan=plan, make=make, assemble=assemble)
