"""What a layout is: which faces it wants, what it keeps of each, and how it puts the set together.

A set is written in two steps. `make` draws one job and gives the bytes of its files and its facts (JSON); the store
keeps both, one job at a time, in any order. `assemble` then writes the lists from the facts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, product
from pathlib import Path
from typing import Any, Literal

from facebench.datasets.held_out import is_held_out
from facebench.synth.seeds import face_seed


@dataclass(frozen=True)
class Order:
    """What the user asked for; equal orders give equal bytes.

    Attributes:
        layout: name of the layout.
        train, val, test: number of faces.
        seed: of the world.
        size: side of the pictures, pixels.
        supersample: samples along each side of a pixel.
        scan_vertices: about how many vertices a scan has; only NoW has scans.
    """

    layout: str
    train: int
    val: int
    test: int
    seed: int
    size: int
    supersample: int = 2
    scan_vertices: int = 120_000


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to make: a face, or the scan of a person.

    Attributes:
        key: unique in the set, safe as a file name; sorts as the set lists its faces.
        split: `train`, `val` or `test`.
        index: number in its split.
        place: the picture's path as the lists spell it.
        identity, image: seeds of the person and of the picture.
        style: how the picture is drawn.
    """

    key: str
    split: str
    index: int
    place: str
    identity: int
    image: int
    style: str = "mix"


@dataclass(frozen=True)
class Made:
    """What became of a job.

    Attributes:
        files: path below the set's folder to content.
        facts: what the lists need, as JSON can hold it; `id` and `slices` of every sample.
        scratch: name to content, for `assemble` alone; not part of the finished set.
    """

    files: Mapping[str, bytes]
    facts: Mapping[str, Any]
    scratch: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A job that was made: its facts, and where its scratch files lie."""

    job: Job
    facts: Mapping[str, Any]
    scratch: Path


@dataclass(frozen=True)
class Layout:
    """One official layout.

    Attributes:
        name: the benchmark.
        folder: its official folder below the data root.
        val: `own` where the set has a val split of its own, `part` where val is a part of train that can be chosen,
            `fixed` where it is a part of train that cannot, `none` where there is none.
        size: side of the pictures where none is asked for, pixels.
        plan: every job of an order.
        make: draw one job.
        assemble: (set folder, order, entries in the order of the plan); writes what is not a job's own.
    """

    name: str
    folder: str
    val: Literal["own", "part", "fixed", "none"]
    size: int
    plan: Callable[[Order], Sequence[Job]]
    make: Callable[[Job, Order], Made]
    assemble: Callable[[Path, Order, Sequence[Entry]], None]


def job(order: Order, split: str, index: int, place: str, *, style: str = "mix") -> Job:
    """Picture `index` of a split, of a person who is in no other picture."""
    seed = face_seed(order.seed, order.layout, split, index)
    return Job(f"{split}-{index:08d}", split, index, place, identity=seed, image=seed, style=style)


def held_out(count: int, val: int) -> frozenset[int]:
    """`val` of the numbers below `count`, evenly spread."""
    return frozenset((2 * k + 1) * count // (2 * val) for k in range(val))


def name_for(stem: str, spell: Callable[[str], str], *, val: bool) -> str:
    """`stem` and a letter or two such that the loader's hash of the spelt name does what `val` says.

    Args:
        stem: beginning of the name.
        spell: the name to what the loader hashes.
        val: whether the face shall be held out for validation.
    """
    letters = "abcdefghijklmnopqrstuvwxyz"
    # One letter nearly always does; three, which are 17,576 names, do in any case.
    endings = chain(letters, map("".join, product(letters, repeat=3)))
    names: Iterator[str] = (stem + ending for ending in endings)
    return next(name for name in names if is_held_out(spell(name)) == val)
