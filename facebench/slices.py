"""Facts about the samples of a set, in one file `slices.csv` in the set's folder.

    id,yaw,occluded_share,yaw=,skin=
    "0--Train/0_Train_000003a.jpg#12,80",-41.2,0.03,profile,dark

A column whose name ends in `=` is a grouping: the sample belongs to the subset `yaw=profile`, and scores appear under
keys such as `wflw/test/yaw=profile/nme-ioc`. Every other column is a fact of its own (a number where it reads as one).
The made sets write the file; anyone may write one for a real set. It must then name every sample of a split that is
read; samples of other splits may stand in it too.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facebench.errors import DataError

FILE = "slices.csv"

MARK = "synthetic.json"
"""What a set that was drawn carries in its folder: the plan it was drawn by."""

_COLUMN = re.compile(r"[a-z][a-z0-9_-]*=?")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Slices:
    """What is known of one sample.

    Attributes:
        facts: column to number or word.
        subsets: groups it belongs to: `yaw=profile`.
    """

    facts: Mapping[str, float | str]
    subsets: frozenset[str]


def read_slices(folder: Path) -> Mapping[str, Slices] | None:
    """Slices of every sample of the set in `folder`, by id; None where there is no such file. Raises `DataError`."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        table = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig")), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise DataError(f"{path} is not a table of comma-separated text: {cause}") from cause
    if not table or table[0][:1] != ["id"] or not all(map(_COLUMN.fullmatch, table[0])):
        raise DataError(f"{path}: the first line must be `id` and column names such as `yaw` or `yaw=`")
    header, found = table[0], dict[str, Slices]()
    for number, row in enumerate(table[1:], start=2):
        if len(row) != len(header):
            raise DataError(f"{path}: row {number} has {len(row)} cells, expected {len(header)}")
        if row[0] in found:
            raise DataError(f"{path}: row {number}: {row[0]!r} is doubled")
        found[row[0]] = _slices(header[1:], row[1:], f"{path}: row {number}")
    return found


def _slices(names: Sequence[str], cells: Sequence[str], where: str) -> Slices:
    facts: dict[str, float | str] = {}
    subsets = set()
    for name, cell in zip(names, cells, strict=True):
        if name.endswith("="):
            if not _WORD.fullmatch(cell):
                raise DataError(f"{where}: {name}{cell[:40]!r} is no name of a subset")
            subsets.add(name + cell)
        else:
            facts[name] = _fact(cell, f"{where}: {name}")
    return Slices(facts, frozenset(subsets))


def _fact(cell: str, where: str) -> float | str:
    try:
        number = float(cell)
    except ValueError:
        if not _WORD.fullmatch(cell):
            raise DataError(f"{where} is {cell[:40]!r}, neither a number nor a word") from None
        return cell
    if not math.isfinite(number):
        raise DataError(f"{where} is {cell!r}, not a finite number")
    return number


def slices_text(rows: Mapping[str, Mapping[str, float | str]]) -> str:
    """Text of a `slices.csv`: id to column to value, every row with the columns of the first, in their order."""
    out = io.StringIO()
    columns = list(next(iter(rows.values()), {}))
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", *columns])
    writer.writerows([name, *(row[column] for column in columns)] for name, row in rows.items())
    return out.getvalue()
