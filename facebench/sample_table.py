"""The Parquet table of per-sample statistics: everything a result's numbers are reductions of.

Columns: `id`, `cluster`, one `subset:NAME` (bool) a subset, one `slice:NAME` a slice, and the statistics. A vector is a
list of its own length (a scan's histogram); an array of more axes is a flat list whose shape the file's metadata hold.
Written without timestamps, so the same statistics give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facebench.errors import DataError
from facebench.metric import Statistics
from facebench.shapes import AnyArray, BoolArray
from facebench.types import Sample


@dataclass(frozen=True, eq=False)
class SampleTable:
    """Statistics of the scored samples of one split.

    Attributes:
        ids: (N,) sample ids, in the order of the split.
        clusters: (N,) cluster names.
        subsets: name to (N,) bool.
        slices: name to (N,) values.
        columns: statistics, first axis N; ragged ones are object arrays.
    """

    ids: tuple[str, ...]
    clusters: tuple[str, ...]
    subsets: Mapping[str, BoolArray]
    slices: Mapping[str, AnyArray]
    columns: Mapping[str, AnyArray]


def collect(samples: Sequence[Sample], rows: Sequence[Statistics]) -> SampleTable:
    """Table of `samples` (N) and their statistics (N rows of one family, all with the same names)."""
    subsets = sorted({name for s in samples for name in s.subsets})
    slices = sorted({name for s in samples for name in s.slices})
    return SampleTable(
        ids=tuple(s.id for s in samples),
        clusters=tuple(s.cluster or s.id for s in samples),
        subsets={name: np.array([name in s.subsets for s in samples], dtype=bool) for name in subsets},
        slices={name: np.array([s.slices.get(name) for s in samples]) for name in slices},
        columns={name: _stack([row[name] for row in rows]) for name in (rows[0] if rows else ())},
    )


def _stack(values: Sequence[Any]) -> AnyArray:
    arrays = [np.asarray(v) for v in values]
    if len({a.shape for a in arrays}) == 1 and arrays[0].ndim != 1:
        return np.stack(arrays)
    ragged = np.empty(len(arrays), dtype=object)
    ragged[:] = arrays
    return ragged


def write_table(path: Path, table: SampleTable) -> str:
    """Write the table atomically; returns the sha256 of the file. Raises `DataError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays: dict[str, Any] = {"id": pa.array(table.ids, pa.string()), "cluster": pa.array(table.clusters, pa.string())}
    arrays |= {f"subset:{name}": pa.array(flags) for name, flags in table.subsets.items()}
    arrays |= {f"slice:{name}": pa.array(values) for name, values in table.slices.items()}
    arrays |= {name: _to_arrow(column) for name, column in table.columns.items()}
    shapes = {name: list(c.shape[1:]) for name, c in table.columns.items() if c.dtype != object and c.ndim > 1}
    whole = pa.table(arrays).replace_schema_metadata({"facebench": json.dumps({"shapes": shapes}, sort_keys=True)})
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(whole, part, compression="zstd")
        digest = hashlib.sha256(part.read_bytes()).hexdigest()
        part.replace(path)
    except OSError as cause:
        raise DataError(f"cannot write {path}: {cause.strerror or cause}") from cause
    return digest


def _to_arrow(column: AnyArray) -> Any:
    import pyarrow as pa

    if column.dtype == object:
        return pa.array(list(column), pa.list_(pa.from_numpy_dtype(column[0].dtype)))
    return pa.array(column) if column.ndim == 1 else pa.array(list(column.reshape(len(column), -1)))


def read_table(path: Path) -> SampleTable:
    """Read what `write_table` wrote. Raises `DataError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        whole = pq.read_table(path)
    except (OSError, pa.ArrowException) as cause:
        raise DataError(f"{path} is not a table of per-sample statistics: {str(cause).splitlines()[0]}") from cause
    if lacking := {"id", "cluster"}.difference(whole.column_names):
        raise DataError(f"{path} is not a table of per-sample statistics: it has no column {min(lacking)!r}")
    meta = json.loads((whole.schema.metadata or {}).get(b"facebench", b'{"shapes": {}}'))
    subsets, slices, columns = {}, {}, {}
    for name in whole.column_names:
        kind, _, rest = name.partition(":")
        if kind == "subset":
            subsets[rest] = whole[name].to_numpy()
        elif kind == "slice":
            slices[rest] = whole[name].to_numpy()
        elif name not in {"id", "cluster"}:
            columns[name] = _from_arrow(whole[name], meta["shapes"].get(name))
    ids, clusters = (tuple(whole[name].to_pylist()) for name in ("id", "cluster"))
    return SampleTable(ids=ids, clusters=clusters, subsets=subsets, slices=slices, columns=columns)


def _from_arrow(column: Any, shape: Sequence[int] | None) -> AnyArray:
    values: AnyArray = column.to_numpy()
    if shape is not None:
        return np.stack(list(values)).reshape(len(values), *shape)
    return values
