"""Made heads in the layout of NoW: several pictures a person over the four challenges, a scan for each test person.

`test` faces go into the published validation list, the one that the field scores on; their truth is a scan (cropped,
with small noise and holes). `train` faces are the (picture, mesh) pairs that `facebench.datasets.now` describes; their
truth is the neutral mesh of the model, whose vertex k is the same point of every head.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facebench.datasets.now import CHALLENGES, LISTS, PICTURES
from facebench.synth.layouts.drawing import draw, jpeg, slice_columns
from facebench.synth.layouts.layout import Entry, Job, Layout, Made, Order
from facebench.synth.layouts.meshes import obj_text, picked_points_text
from facebench.synth.scan import neutral_mesh, neutral_scan
from facebench.synth.seeds import face_seed

STYLES = dict(zip(CHALLENGES, ("neutral", "expression", "occlusion", "selfie"), strict=True))
"""Challenge to the style its pictures are drawn in."""

PER_PERSON = {"train": 2, "test": 4}
"""Pictures a person, over the challenges in turn. NoW has about eighteen, and twenty people in validation; a small
made set is better spent on people, since only another person is another shape."""

_SCAN = "scan"
"""Style of a job that makes the mesh of a person instead of a picture."""


def plan(order: Order) -> Sequence[Job]:
    """Meshes and pictures of train, then of test."""
    return [job for split, size in (("train", order.train), ("test", order.test)) for job in _jobs(order, split, size)]


def _jobs(order: Order, split: str, size: int) -> list[Job]:
    each = PER_PERSON[split]
    people = [face_seed(order.seed, order.layout, split, i) for i in range(-(-size // each))]
    meshes = [
        Job(f"{split}-mesh-{i:08d}", split, i, _person(split, i), identity=seed, image=seed, style=_SCAN)
        for i, seed in enumerate(people)
    ]
    return meshes + [_picture(order, split, i, people[i // each]) for i in range(size)]


def _person(split: str, index: int) -> str:
    return f"{'trainee' if split == 'train' else 'subject'}_{index:05d}"


def _picture(order: Order, split: str, index: int, identity: int) -> Job:
    person, number = divmod(index, PER_PERSON[split])
    challenge = CHALLENGES[number % len(CHALLENGES)]
    place = f"{_person(split, person)}/{challenge}/IMG_{number:04d}.jpg"
    image = face_seed(order.seed, order.layout, split, index)
    return Job(f"{split}-{index:08d}", split, index, place, identity=identity, image=image, style=STYLES[challenge])


def make(job: Job, order: Order) -> Made:
    """A picture, or the mesh of a person with its seven landmarks."""
    if job.style == _SCAN:
        return Made(files=_mesh_files(job, order), facts={})
    face = draw(job, order)
    folder = "train/images" if job.split == "train" else PICTURES[0]
    facts = {"id": job.place.removesuffix(".jpg"), "slices": slice_columns(face.slices)}
    return Made(files={f"{folder}/{job.place}": jpeg(face.image)}, facts=facts)


def _mesh_files(job: Job, order: Order) -> dict[str, bytes]:
    if job.split == "train":
        scan, mesh, points = neutral_mesh(job.identity), "train/meshes/{}.obj", "train/meshes/{}.pp"
    else:
        scan = neutral_scan(job.identity, vertices=order.scan_vertices)
        mesh, points = "scans/{0}/{0}.obj", "scans_lmks_onlypp/{0}/{0}.pp"
    text = picked_points_text(scan.landmarks, f"{job.place}.obj")
    return {
        mesh.format(job.place): obj_text(scan.vertices, scan.faces).encode(),
        points.format(job.place): text.encode(),
    }


def assemble(folder: Path, order: Order, entries: Sequence[Entry]) -> None:
    """Write the list of the validation pictures."""
    del order
    pictures = [e.job.place for e in entries if e.job.split == "test" and e.job.style != _SCAN]
    (folder / LISTS["val"]).write_text("".join(f"{place}\n" for place in pictures), encoding="utf-8")


LAYOUT = Layout(name="now", folder="NoW", val="none", size=256, plan=plan, make=make, assemble=assemble)
