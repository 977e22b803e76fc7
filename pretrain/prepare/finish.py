"""The last files of a set: what was left out, the index, and the manifest that makes it whole."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from facebench.errors import DataError
from facebench.staging import drop
from pretrain.data.index import FILE as INDEX_FILE
from pretrain.data.index import joined
from pretrain.data.manifest import FILE as MANIFEST_FILE
from pretrain.data.manifest import Manifest, ShardEntry, content_digest
from pretrain.prepare.collect import Collection
from pretrain.prepare.parts import Part, rejection_line, rejection_lines

REJECTED_FILE = "rejected.jsonl"


def finish(collection: Collection, options: Mapping[str, Any]) -> Manifest:
    """Write what is missing beside the tars of `collection`. Raises `DataError` where it holds nothing."""
    place = collection.place
    lines = [*rejection_lines(place), *(rejection_line(one) for one in collection.rejected)]
    reasons = Counter(json.loads(line)["reason"] for line in lines)
    if not collection.parts:
        drop(place)
        raise DataError(_nothing(collection.consumed, reasons, lines))
    (place.set / REJECTED_FILE).write_text("".join(lines), encoding="utf-8")
    table = _write_index(place.set / INDEX_FILE, collection.parts)
    lengths = _landmarks(table)
    manifest = Manifest(
        made_by="facebench pretrain prepare",
        options=dict(options),
        pictures=table.num_rows,
        size=collection.options.size,
        points=_common(lengths),
        without_points=lengths[0],
        without_parsing=table["seg_length"].to_pylist().count(0),
        supervision="parsing" if any(table["seg_length"].to_pylist()) else "none",
        seen=collection.consumed,
        rejected=dict(sorted(reasons.items())),
        against=None if collection.evaluation is None else collection.evaluation.check,
        shards=_entries(place.set, collection.parts),
        index_sha256=_sha256(place.set / INDEX_FILE),
        digest=content_digest(zip(table["key"].to_pylist(), table["sha256"].to_pylist(), strict=True)),
    )
    (place.set / MANIFEST_FILE).write_text(manifest.text(), encoding="utf-8")
    return manifest


def _nothing(seen: int, reasons: Mapping[str, int], lines: Sequence[str]) -> str:
    if not seen:
        return "the sources hold no picture"
    first = json.loads(lines[0])
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    return f"no picture is left of {seen} ({counts}); the first: {first['source']}: {first['detail']}"


def _write_index(path: Path, parts: Sequence[Part]) -> Any:
    import pyarrow.parquet as pq

    table = joined([part.table for part in parts])
    pq.write_table(table, path, compression="zstd")
    return table


def _landmarks(table: Any) -> Counter[int]:
    """How many pictures have so many landmarks; 0 for none."""
    import pyarrow.compute as pc

    return Counter(n // 2 for n in pc.fill_null(pc.list_value_length(table["points"]), 0).to_pylist())


def _common(lengths: Counter[int]) -> Literal[0, 5, 68]:
    """Landmarks that every picture with any has at least: 68 hold five, five do not hold 68."""
    return 5 if lengths[5] else 68 if lengths[68] else 0


def _entries(folder: Path, parts: Sequence[Part]) -> tuple[ShardEntry, ...]:
    return tuple(_entry(folder / f"{number:06d}.tar", part.table.num_rows) for number, part in enumerate(parts))


def _entry(path: Path, pictures: int) -> ShardEntry:
    return ShardEntry(name=path.name, pictures=pictures, bytes=path.stat().st_size, sha256=_sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
