"""The index of a prepared set: where each picture lies, so that any of them is one read away.

    key       string          name of the picture in its shard
    source    string          what it was made of: `faces/00000/000000012.jpg`, `00007.tar:000070012.jpg`
    shard     int32           number of its tar
    offset    int64           first byte of the jpg in the tar        seg_offset   int64   of the label map; 0 for none
    length    int32           bytes of the jpg                        seg_length   int32   0 for none
    crc       uint32          CRC-32 of the jpg and the label map
    points    list<float32>   x, y, x, y, ... of 5 or 68 landmarks, pixels of the crop; null for none
    phash     uint64          perceptual hash of the crop
    sha256    string          of jpg, json and label map, hex

Rows stand in the order of the shards. Written without timestamps, so the same pictures give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facebench.errors import DataError
from facebench.shapes import AnyArray, FloatArray, IntArray

FILE = "index.parquet"

_READ = ("key", "shard", "offset", "length", "seg_offset", "seg_length", "crc", "points")


@dataclass(frozen=True)
class Row:
    """One picture; the fields are the columns."""

    key: str
    source: str
    shard: int
    offset: int
    length: int
    seg_offset: int
    seg_length: int
    crc: int
    points: tuple[float, ...] | None
    phash: int
    sha256: str


@dataclass(frozen=True, eq=False)
class Index:
    """Places of N pictures; what a loader needs of the columns.

    Attributes:
        keys: arrow array of N names.
        shard: (N,) numbers of shards.
        offset: (N,) first byte of each jpg.
        length: (N,) bytes.
        seg_offset: (N,) first byte of each label map.
        seg_length: (N,) bytes, 0 for none.
        crc: (N,) CRC-32 of jpg and label map.
        coordinates: all landmarks one after the other.
        starts: (N + 1,) where those of each picture begin.
    """

    keys: Any
    shard: IntArray
    offset: IntArray
    length: IntArray
    seg_offset: IntArray
    seg_length: IntArray
    crc: AnyArray
    coordinates: AnyArray
    starts: IntArray

    def points(self, number: int) -> FloatArray | None:
        """Landmarks (K, 2) of picture `number`, pixels of the crop; None where it has none."""
        flat = self.coordinates[self.starts[number] : self.starts[number + 1]]
        return flat.astype(np.float64).reshape(-1, 2) if len(flat) else None


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        {
            "key": pa.string(),
            "source": pa.string(),
            "shard": pa.int32(),
            "offset": pa.int64(),
            "length": pa.int32(),
            "seg_offset": pa.int64(),
            "seg_length": pa.int32(),
            "crc": pa.uint32(),
            "points": pa.list_(pa.float32()),
            "phash": pa.uint64(),
            "sha256": pa.string(),
        }
    )


def table_of(rows: Sequence[Row]) -> Any:
    """Arrow table of `rows`."""
    import pyarrow as pa

    return pa.Table.from_pylist([asdict(row) for row in rows], schema=_schema())


def joined(tables: Sequence[Any]) -> Any:
    """One table of many, in one piece and of exactly our schema, whether they were just made or read from disk."""
    import pyarrow as pa

    return pa.concat_tables([table.cast(_schema()) for table in tables]).combine_chunks()


def read_index(path: Path) -> Index:
    """Read the index at `path`. Raises `DataError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=list(_READ)).combine_chunks()
        missing = [name for name in _READ if name not in table.column_names]
    except (OSError, pa.ArrowException) as cause:
        raise DataError(f"{path} is no index of shards: {str(cause).splitlines()[0]}; prepare anew") from cause
    if missing:
        raise DataError(f"{path} has no column {missing[0]}; prepare anew")
    plain = {name: table[name].to_numpy() for name in _READ if name not in ("key", "points")}
    coordinates, starts = _ragged(table["points"])
    return Index(keys=_whole(table["key"]), coordinates=coordinates, starts=starts, **plain)


def _whole(column: Any) -> Any:
    import pyarrow as pa

    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _ragged(column: Any) -> tuple[AnyArray, IntArray]:
    """All values of a column of lists, and where each list begins; a null is an empty list."""
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    values = pc.list_flatten(column).to_numpy()
    return values, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
