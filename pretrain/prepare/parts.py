"""What is known of the finished tars of a set: rows of the index, and what was left out on the way to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facebench.staging import Staging
from pretrain.data.index import Row, table_of
from pretrain.prepare.items import Rejected
from pretrain.prepare.staging import PARTS


@dataclass(frozen=True, eq=False)
class Part:
    """A finished tar.

    Attributes:
        table: its rows of the index.
        consumed: things of the sources that had been gone through when it was closed.
        last: the name of the last of them, which shows whether the sources are still the same.
    """

    table: Any
    consumed: int
    last: str


def write_part(place: Staging, rows: Sequence[Row], rejected: Sequence[Rejected], consumed: int, last: str) -> Part:
    """Note that the tar of `rows` is finished."""
    import pyarrow.parquet as pq

    number = len(list(place.beside(PARTS).glob("*.parquet")))
    lines = "".join(rejection_line(one) for one in rejected)
    _whole(place.beside(PARTS) / f"{number:06d}.jsonl", lines.encode())
    table = table_of(rows).replace_schema_metadata({"consumed": str(consumed), "last": last})
    path = place.beside(PARTS) / f".{number:06d}.parquet.part"
    pq.write_table(table, path)
    path.replace(place.beside(PARTS) / f"{number:06d}.parquet")
    return Part(table, consumed, last)


def read_parts(place: Staging) -> list[Part]:
    """The parts that an earlier call finished, in order."""
    import pyarrow.parquet as pq

    found = []
    for path in sorted(place.beside(PARTS).glob("[0-9]*.parquet")):
        table = pq.read_table(path)
        meta = table.schema.metadata
        found.append(Part(table, int(meta[b"consumed"]), meta[b"last"].decode()))
    return found


def rejection_lines(place: Staging) -> Iterator[str]:
    """Every line about what was left out, in order."""
    for path in sorted(place.beside(PARTS).glob("[0-9]*.jsonl")):
        yield from path.read_text(encoding="utf-8").splitlines(keepends=True)


def rejection_line(rejected: Rejected) -> str:
    """One line of `rejected.jsonl`."""
    return json.dumps(asdict(rejected), ensure_ascii=True) + "\n"


def _whole(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
