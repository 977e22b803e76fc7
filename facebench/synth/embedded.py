"""The embedded default: a small made world, drawn once and kept in the cache, so that `facebench run` needs no data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from facebench.journal import cache_root
from facebench.synth.layouts import MODULES
from facebench.synth.write import world_version, write_world

BENCHMARKS: tuple[str, ...] = ("wflw", "lapa", "now")
"""One benchmark for each task."""

BACKBONES: tuple[str, ...] = (
    "paco-fr:small-paco-fr",
    "paco-fr:small-mae",
    "paco-fr:small-mae-equal-pictures",
    "paco-fr:small-paco-fr@random:0",
    "pixels",
)
"""The encoders that ship, of one architecture: PaCo-FR, MAE at equal compute, MAE at equal pictures and none of it
(random weights); and the crop itself."""

INPUT_SIZE = 96
"""Input side of these backbones, pixels: what they were trained at."""

SEED = 0


@dataclass(frozen=True)
class Size:
    """How many samples of each split are drawn, and how finely a scan is sampled."""

    train: int
    test: int
    val: int | None = None


SIZES: Mapping[str, Size] = {
    "lapa": Size(train=300, val=60, test=100),
    "now": Size(train=400, test=32),
}
USUAL = Size(train=360, test=100)
"""Enough that a skilled head separates from the floor, few enough that all is drawn in half a minute."""

SCAN_VERTICES = 10_000
"""Of each scan; a twelfth of a real one, so that scoring takes seconds."""


def embedded_world(names: Iterable[str], *, on_face: Callable[[str, int, int], None]) -> Path:
    """Data root that holds the made sets `names`; those that are not there yet are drawn.

    Args:
        names: benchmarks; those that no layout exists for are left out.
        on_face: called with (name, done, all) while a set is drawn.
    """
    root = cache_root() / "world" / world_version()
    for name in names:
        if name in MODULES and not (root / _folder(name)).is_dir():
            size = SIZES.get(name, USUAL)
            write_world(
                name,
                root,
                train=size.train,
                test=size.test,
                val=size.val,
                seed=SEED,
                scan_vertices=SCAN_VERTICES,
                on_face=partial(on_face, name),
            )
    return root


def _folder(name: str) -> str:
    from facebench.synth.layouts import find_layout

    return find_layout(name).folder
