"""The self-test as a whole: draw a small world, read it, and hold every metric against its closed form."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from facebench.registry import Registry
from facebench.selftest import landmarks, parsing, scan
from facebench.selftest.check import Check, Observation, summed_up
from facebench.types import Dataset


@dataclass(frozen=True)
class Part:
    """One set of the small world.

    Attributes:
        dataset: its name.
        faces: faces of the split that is scored.
        observe: module whose `observe` measures it.
    """

    dataset: str
    faces: int
    observe: ModuleType


PARTS: tuple[Part, ...] = (
    Part("wflw", 8, landmarks),
    Part("300w", 8, landmarks),
    Part("aflw19", 8, landmarks),
    Part("cofw", 8, landmarks),
    Part("lapa", 6, parsing),
    Part("celebamask-hq", 6, parsing),
    Part("now", 2, scan),
)

SIZE, SCAN_VERTICES, SEED = 96, 4000, 0
"""Side of the pictures, vertices of the scans, seed of the small world."""


def run_checks(
    *, parts: Sequence[Part] = PARTS, seed: int = SEED, on_part: Callable[[str], None] = lambda _: None
) -> list[Check]:
    """One check a metric over all sets. `on_part` is called with the name of each set before it is drawn."""
    with tempfile.TemporaryDirectory(prefix="facebench-selftest-") as folder:
        return summed_up(_observations(Path(folder), parts, seed, on_part))


def _observations(
    root: Path, parts: Sequence[Part], seed: int, on_part: Callable[[str], None]
) -> Iterator[Observation]:
    from facebench.synth.write import write_world

    registry = Registry(())
    for part in parts:
        on_part(part.dataset)
        write_world(
            part.dataset, root, train=2, test=part.faces, seed=seed, size=SIZE, supersample=1,
            scan_vertices=SCAN_VERTICES,
        )  # fmt: skip
        dataset: Dataset = registry.get("datasets", part.dataset)
        yield from part.observe.observe(dataset, dataset.samples(root, dataset.default_split))
