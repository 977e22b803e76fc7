"""Crops on their way into shards: what is doubled or leaks is left out, what was done before is gone past."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING

from facebench.errors import DataError
from facebench.staging import Staging
from pretrain.prepare.items import Item, Made, Rejected
from pretrain.prepare.options import Options
from pretrain.prepare.parts import Part, read_parts, write_part
from pretrain.prepare.shard import ShardWriter

if TYPE_CHECKING:
    from pretrain.prepare.hashes import Evaluation


@dataclass
class Collection:
    """A set as far as it has come; a context that closes the last shard, or drops it where the work failed.

    Attributes:
        place: where it is written.
        options: of the preparation.
        evaluation: pictures that must not be in it.
        parts: finished shards.
        rejected: what was left out since the last of them.
        consumed: things of the sources that were gone through.
    """

    place: Staging
    options: Options
    evaluation: Evaluation | None
    parts: list[Part] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    consumed: int = 0
    _last: str = ""
    _keys: dict[int, str] = field(default_factory=dict)
    _pictures: int = 0
    _writer: ShardWriter | None = None

    def __enter__(self) -> Collection:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer is not None:
            if kind is None:
                self._close_shard(self._writer)
            else:
                self._writer.discard()

    def go_on(self, items: Iterator[Item | Rejected], on_picture: Callable[[], None]) -> None:
        """Go past what an earlier call has done. Raises `DataError` where the sources are not what they were."""
        self.parts = read_parts(self.place)
        if not self.parts:
            return
        for part in self.parts:
            columns = (part.table[name].to_pylist() for name in ("phash", "key"))
            for value, key in zip(*columns, strict=True):
                self._keys.setdefault(value, key)
            self._pictures += part.table.num_rows
        for item in islice(items, self.parts[-1].consumed):
            self.consumed, self._last = self.consumed + 1, item.source
            on_picture()
        if (self.consumed, self._last) != (self.parts[-1].consumed, self.parts[-1].last):
            raise DataError(
                f"the sources have changed since {self.place.folder} was begun; begin anew with --overwrite"
            )

    def take(self, made: Made | Rejected) -> None:
        """Store a crop, or note why not."""
        self.consumed, self._last = self.consumed + 1, made.source
        if isinstance(made, Made):
            made = self._refusal(made) or made
        if isinstance(made, Rejected):
            self.rejected.append(made)
            return
        key = f"{self._pictures:09d}"
        self._keys.setdefault(made.phash, key)
        self._writer = self._writer or ShardWriter(self.place.set, len(self.parts), self.options.size)
        self._writer.add(key, made)
        self._pictures += 1
        if len(self._writer.rows) == self.options.per_shard:
            self._close_shard(self._writer)

    def _refusal(self, made: Made) -> Rejected | None:
        if self.evaluation is not None and made.whole_phash is not None:
            near = self.evaluation.nearest(made.whole_phash)
            if near is not None:
                return Rejected(made.source, "leak", f"looks like {near.name}, {near.distance} of 64 bits differ")
        if self.options.dedup and made.phash in self._keys:
            return Rejected(made.source, "duplicate", f"looks like {self._keys[made.phash]}")
        return None

    def _close_shard(self, writer: ShardWriter) -> None:
        writer.finish()
        self.parts.append(write_part(self.place, writer.rows, self.rejected, self.consumed, self._last))
        self._writer, self.rejected = None, []
