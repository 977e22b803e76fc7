"""Which samples are fitted on, which choose, and which are scored.

Where a data set publishes on a split of its own choosing, a split chooses nothing: NoW's `val` is the published test
set, so there the choosing samples are a tenth of the training *subjects*, by the hash of their name, at least one.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facebench.errors import DataError, UsageError
from facebench.types import Dataset, Sample, revision

HELD_OUT = 10
"""One training subject in this many chooses, where the data set has no split for it."""


@dataclass(frozen=True, eq=False)
class Splits:
    """The samples of one evaluation.

    Attributes:
        train: the head is fitted on these.
        val: shrinkages are chosen on these.
        test: these are scored.
        name: the split or subset that `test` is.
    """

    train: Sequence[Sample]
    val: Sequence[Sample]
    test: Sequence[Sample]
    name: str

    @property
    def fitted_on(self) -> str:
        """Revision (sha256, hex) of everything that the head may know: training and choosing samples."""
        return hashlib.sha256(f"{revision(self.train)}\0{revision(self.val)}".encode()).hexdigest()

    def with_labels(self, percent: float, subset: int = 0) -> Splits:
        """The same with `percent` of the training labels, those of whole subjects, in the order of a hash.

        A smaller part of one `subset` lies inside a larger one, and no order of files or of samples matters. What
        chooses and what is scored stays whole.

        Raises:
            UsageError: so few labels that they show one picture or subject alone.
        """
        if percent == 100:
            return self
        subjects = sorted({s.cluster or s.id for s in self.train}, key=lambda c: _hash(f"{subset}\0{c}"))
        sizes = Counter(s.cluster or s.id for s in self.train)
        wanted, kept = math.ceil(len(self.train) * percent / 100), set[str]()
        for subject in subjects:
            if sum(sizes[c] for c in kept) >= wanted:
                break
            kept.add(subject)
        if len(kept) < 2:
            least = 200 / len(subjects)
            raise UsageError(
                f"{percent:g} % of {len(self.train)} training pictures show one picture or subject alone; "
                f"two need at least {least:.2g} %"
            )
        return replace(self, train=tuple(s for s in self.train if (s.cluster or s.id) in kept))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def read_splits(dataset: Dataset, root: Path, *, split: str | None, limit: int | None) -> Splits:
    """Samples of `dataset` below `root`.

    Args:
        dataset: what to read.
        root: the data root, or the set's own folder.
        split: the split or subset to score; None for the benchmark's own.
        limit: at most this many samples of each split, the first ones.

    Raises:
        DataError: a split is missing or empty, or the training split shows one picture or subject alone.
    """
    name = split or dataset.default_split
    test = dataset.samples(root, name)
    train = dataset.samples(root, "train")
    if dataset.select(name)[0] in ("train", "val"):
        train, val = _hold_out(train, dataset.name)
    else:
        val = dataset.samples(root, "val")
    train, val, test = (part[:limit] for part in (train, val, test))
    if len({s.cluster or s.id for s in train}) < 2:
        raise DataError(
            f"{dataset.name}: the {len(train)} training samples show one picture or subject alone; "
            "a head that predicts differences needs at least two"
        )
    return Splits(train, val, test, name)


def _hold_out(train: Sequence[Sample], name: str) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Training and choosing samples, by subject."""
    subjects = sorted({s.cluster or s.id for s in train}, key=_hash)
    if len(subjects) < 2:
        raise DataError(
            f"{name}: the training samples show one subject alone; at least two are needed, one to choose on"
        )
    held = set(subjects[: max(1, len(subjects) // HELD_OUT)])
    chosen = tuple(s for s in train if (s.cluster or s.id) in held)
    return tuple(s for s in train if (s.cluster or s.id) not in held), chosen
