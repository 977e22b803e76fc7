"""The rows of the published results, and their order."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

Tier = Literal["rescored", "reproduced", "claimed"]
FOLDER = Path(__file__).parent
_SIMPSON = re.compile(r"/auc[57]-[a-z]+$")


@dataclass(frozen=True)
class PublishedRow:
    """One published number.

    Attributes:
        id: of the row.
        key: what was measured, as a score's key: `aflw19/test/full/nme-diag`.
        value: in `unit`.
        unit: `%`, `fraction` or `mm`.
        direction: whether `lower` or `higher` is better.
        method: short name.
        variant: which of the method's models.
        backbone: as the source says it.
        pretraining: what the backbone saw before.
        extra: data beside the benchmark's own training split.
        year: of publication; empty where unknown.
        paper: title.
        arxiv: its number there; empty where it has none.
        source: file or page that the number was read in.
        read: `first-hand`, `second-hand`, `aggregator` or `reproduction`.
        via: text, table image, training log, ...
        selection: who chose the epoch: `last`, `val`, `test` or `unknown`.
        crop: `ground-truth box`, a box rule of the source, or `unknown`.
        unfit: why it is never ranked; empty where it may be.
        best: whether it is the number that stands for its method under this key.
        marks: further flags, one word each.
        note: what else a reader must know.
    """

    id: str
    key: str
    value: float
    unit: str
    direction: Literal["lower", "higher"]
    method: str
    variant: str
    backbone: str
    pretraining: str
    extra: str
    year: str
    paper: str
    arxiv: str
    source: str
    read: str
    via: str
    selection: str
    crop: str
    unfit: str
    best: bool
    marks: tuple[str, ...]
    note: str

    @property
    def tier(self) -> Tier:
        """Who stands behind the number."""
        return "reproduced" if self.read == "reproduction" else "claimed"

    @property
    def compatible(self) -> str:
        """The key of our own score that it may stand beside."""
        return f"{self.key}-simpson" if _SIMPSON.search(self.key) else self.key


@lru_cache(maxsize=1)
def read() -> tuple[PublishedRow, ...]:
    """Every row, in the order of the file."""
    papers = {line["id"]: line for line in _lines("papers")}
    sources = {line["id"]: line["source"] for line in _lines("sources")}
    rows = []
    for line in _lines("results"):
        paper = papers.get(line["paper"], {"title": "", "arxiv": ""})
        facts = {name: line[name] for name in PublishedRow.__dataclass_fields__ if name in line}
        about = {"paper": paper["title"], "arxiv": paper["arxiv"], "source": sources[line["source"]]}
        numbers = {"value": float(line["value"]), "best": line["best"] == "yes", "marks": tuple(line["marks"].split())}
        rows.append(PublishedRow(**(facts | about | numbers)))  # type: ignore[arg-type]
    return tuple(rows)


def _lines(name: str) -> Iterable[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def placed(rows: Iterable[PublishedRow], key: str) -> tuple[tuple[int, PublishedRow], ...]:
    """(place, row) of the rows that stand for a method under `key`, best first; equal values share a place."""
    fit = [row for row in rows if row.key == key and row.best and not row.unfit]
    fit.sort(key=lambda row: (row.value if row.direction == "lower" else -row.value, row.method))
    values = [row.value for row in fit]
    return tuple((values.index(row.value) + 1, row) for row in fit)
