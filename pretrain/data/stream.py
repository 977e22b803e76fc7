"""The endless stream of pictures by place: what is shown there, and which of its patches are replaced.

A place is a number from 0 on; everything about it follows from it and the configuration. Worker processes each hold a
copy of the stream and are asked for places.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from facebench.errors import FacebenchError
from facebench.shapes import BoolArray, ByteArray, IntArray
from pretrain.config import PretrainConfig
from pretrain.data.order import Order
from pretrain.data.shards import Shards
from pretrain.data.views import draws, opened, shown
from pretrain.method.masking import draw_mask
from pretrain.method.regions import region_map


@dataclass(frozen=True, eq=False)
class Shown:
    """Pictures as they come from a worker: as bytes, which are a quarter of the floats.

    Attributes:
        images: (n, S, S, 3) uint8.
        replaced: (n, L) bool.
        regions: (n, L) int64.
        ids: names.
    """

    images: ByteArray
    replaced: BoolArray
    regions: IntArray
    ids: tuple[str, ...]


@dataclass(eq=False)
class Stream:
    """The stream; `stream[places]` is what is shown at those places.

    Attributes:
        config: of the run.
        shards: the set.
        order: of the pictures.
        grid: G, patches along each side.
    """

    config: PretrainConfig
    shards: Shards
    order: Order
    grid: int
    _epochs: dict[int, IntArray] = field(default_factory=dict, repr=False)

    def __getitem__(self, places: range) -> Shown | FacebenchError:
        """The pictures at `places`; an error is handed on as a value, for one raised in a worker loses its one line."""
        try:
            images, masks, regions, ids = zip(*(self._at(place) for place in places), strict=True)
        except FacebenchError as error:
            return error
        return Shown(np.stack(images), np.stack(masks), np.stack(regions), ids)

    def _at(self, place: int) -> tuple[ByteArray, BoolArray, IntArray, str]:
        epoch, at = divmod(place, self.order.pictures)
        number = int(self._order(epoch)[at])
        rng = draws(self.config.run.seed, epoch, number)
        size, source = self.config.encoder.img_size, self.config.mask.region_source
        stored = self.shards.read(number)
        view = shown(opened(stored, self.shards.where(number)), self.config.data, size=size, rng=rng)
        regions = region_map(view.points, source=source, size=size, grid=self.grid, labels=view.labels)
        return view.image, draw_mask(regions, self.config.mask, grid=self.grid, rng=rng), regions, stored.key

    def _order(self, epoch: int) -> IntArray:
        """Order of the pictures in `epoch`; that of the epoch before is kept, for a batch may hold both."""
        if epoch not in self._epochs:
            self._epochs = {number: order for number, order in self._epochs.items() if number == epoch - 1}
            self._epochs[epoch] = self.order.epoch(epoch)
        return self._epochs[epoch]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_epochs": {}}
