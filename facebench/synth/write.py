"""Write a made set in an official layout: the orders that make sense, and the two phases of the store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from facebench.errors import UsageError
from facebench.slices import FILE as SLICES_FILE
from facebench.slices import slices_text
from facebench.staging import require_free, staging, write_whole
from facebench.synth import store
from facebench.synth.layouts import FACES, MODULES, find_layout
from facebench.synth.layouts.layout import Entry, Layout, Order
from facebench.synth.seeds import face_seed

VAL_SHARE = 10
"""Where no val split is asked for, it has one face for this many of train."""

OnFace = Callable[[int, int], None]
"""Called with (done, all) after each face."""


def write_world(
    layout: str,
    out: Path,
    *,
    train: int,
    test: int,
    val: int | None = None,
    seed: int = 0,
    size: int | None = None,
    supersample: int = 2,
    scan_vertices: int = 120_000,
    overwrite: bool = False,
    workers: int | None = None,
    on_face: OnFace = lambda *_: None,
) -> Path:
    """Write a made set below `out`; returns its folder, `out`/WFLW.

    Args:
        layout: benchmark whose official layout is written: `wflw`.
        out: the data root.
        train: faces of the official training list.
        test: faces of the official test list; for NoW of the validation list, which is what the field scores on.
        val: faces of the val split; None for a tenth of `train`. Where a set has no val split of its own they are a
            part of `train`; COFW's cannot be chosen, and NoW has none.
        seed: of the world; equal orders give equal bytes.
        size: side of the pictures, pixels; None for that of the layout.
        supersample: samples along each side of a pixel.
        scan_vertices: about how many vertices each scan of NoW has.
        overwrite: replace what lies there, and forget an unfinished set of another plan.
        workers: threads; None for one each processor.
        on_face: progress.

    Raises:
        UsageError: unknown layout, or a number that makes no sense.
        DataError: the folder is not empty, or nothing can be written.
    """
    if layout == FACES:
        raise UsageError("the layout faces has no splits; write it with -n N")
    chosen = find_layout(layout)
    order = Order(
        layout=layout,
        train=_positive("--train", train),
        val=_val(chosen, train, val),
        test=_positive("--test", test),
        seed=seed,
        size=chosen.size if size is None else size,
        supersample=supersample,
        scan_vertices=scan_vertices,
    )
    return _write(chosen, order, out, overwrite=overwrite, workers=workers, on_face=on_face)


def write_faces(
    out: Path,
    n: int,
    *,
    seed: int = 0,
    size: int | None = None,
    supersample: int = 2,
    overwrite: bool = False,
    workers: int | None = None,
    on_face: OnFace = lambda *_: None,
) -> Path:
    """Write `n` unlabelled crops with five landmarks each below `out`; returns their folder, `out`/faces.

    The arguments are those of `write_world`, and so are the errors.
    """
    chosen = find_layout(FACES)
    order = Order(FACES, _positive("-n", n), 0, 0, seed, chosen.size if size is None else size, supersample)
    return _write(chosen, order, out, overwrite=overwrite, workers=workers, on_face=on_face)


def plan_of(order: Order) -> Mapping[str, Any]:
    """Everything that the bytes of a set follow from; a finished set carries it."""
    return {"made_by": "facebench data synth", "world": world_version(), **asdict(order)}


@cache
def world_version() -> str:
    """Hash of the sources that draw and write the made world (sha256, 12 digits)."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _positive(option: str, count: int) -> int:
    if count < 1:
        raise UsageError(f"{option} {count}: a set has at least one face")
    return count


def _val(layout: Layout, train: int, val: int | None) -> int:
    """Faces of the val split. Raises `UsageError` where so many cannot be."""
    if val is not None:
        _positive("--val", val)
    if layout.val == "none" or layout.val == "fixed":
        if val is None:
            return 0
        why = "its published list is its val, so say --test" if layout.val == "none" else "the loader holds out a tenth"
        raise UsageError(f"--val cannot be chosen for {layout.name}: {why}")
    if layout.val == "own":
        return val if val is not None else max(1, train // VAL_SHARE)
    if val is None:
        return max(1, train // VAL_SHARE) if train > 1 else 0
    if val >= train:
        raise UsageError(f"--val {val}: the val split of {layout.name} is a part of its {train} training faces")
    return val


def _write(layout: Layout, order: Order, out: Path, *, overwrite: bool, workers: int | None, on_face: OnFace) -> Path:
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: at least one is needed")
    if not (32 <= order.size <= 2048):
        raise UsageError(f"--size {order.size}: pictures have 32 to 2048 pixels a side")
    face_seed(order.seed, order.layout, "test", max(order.train, order.val, order.test) - 1)  # refuses what has no seed
    final, plan = out / layout.folder, plan_of(order)
    require_free(final, overwrite=overwrite)
    with staging(final, plan, store.BESIDE, overwrite=overwrite) as place:
        jobs = layout.plan(order)
        done = 0

        def on_job() -> None:
            nonlocal done
            done += 1
            on_face(done, len(jobs))

        store.fill(
            place, jobs, lambda job: layout.make(job, order), workers=workers or os.cpu_count() or 1, on_job=on_job
        )
        made = store.entries(place, jobs)
        layout.assemble(place.set, order, made)
        _write_slices(place.set, made)
        store.publish(place, plan)
    return final


def _write_slices(folder: Path, made: Sequence[Entry]) -> None:
    rows = {entry.facts["id"]: entry.facts["slices"] for entry in made if "slices" in entry.facts}
    if rows:
        write_whole(folder / SLICES_FILE, slices_text(rows).encode())


LAYOUT_NAMES = (*MODULES, FACES)
"""Everything that can be written."""
