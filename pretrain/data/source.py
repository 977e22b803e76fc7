"""Where a training gets its pictures from: prepared shards, or whatever else keeps the same promises."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Protocol

from pretrain.config import PretrainConfig
from pretrain.data.loader import open_stream
from pretrain.data.order import first_sizes
from pretrain.data.shards import Shards

if TYPE_CHECKING:
    from pretrain.batch import Batch


class Source(Protocol):
    """Batches of every step, each a function of the seed and the step alone."""

    @property
    def pictures(self) -> int:
        """Pictures of one pass."""
        ...

    @property
    def digest(self) -> str:
        """Hash (sha256, hex) of the list of pictures."""
        ...

    def steps(self, first: int, *, rank: int, world: int, patch: int) -> Generator[Sequence[Batch]]:
        """Micro-batches of rank `rank` of `world` in step `first` and every one after it; patches are P = `patch`."""
        ...


class ShardSource:
    """The set in `config.data.shards`, batches on `device`."""

    def __init__(self, config: PretrainConfig, device: str) -> None:
        """Open the set. Raises `DataError`."""
        self._config, self._device = config, device
        self._shards = Shards.open(config.data.shards)

    @property
    def pictures(self) -> int:
        """Pictures of one pass."""
        return sum(first_sizes(self._shards.sizes, self._config.data.limit))

    @property
    def digest(self) -> str:
        """The identity of the data, as the manifest has it."""
        return self._shards.manifest.digest

    def steps(self, first: int, *, rank: int, world: int, patch: int) -> Generator[Sequence[Batch]]:
        """Micro-batches from step `first` on; the loader's processes end with the generator."""
        stream = open_stream(
            self._config, self._shards, rank=rank, world=world, first_step=first, patch=patch, device=self._device
        )
        with stream:
            yield from stream
