"""The stream of batches: which pictures, how they are shown and which patches are replaced, from the step alone.

    shards = Shards.open(config.data.shards)
    stream = open_stream(config, shards, rank=rank, world=world, first_step=step, patch=16, device="cuda")
    for batches in stream:           # one list a step, `config.optim.accumulate` micro-batches of this rank
        ...                          # batches[m]: pretrain.batch.Batch, on `device`
    stream.close()                   # ends the worker processes; `with open_stream(...) as stream` does it too

`stream.pictures` is N, the pictures of an epoch; `stream.steps_per_epoch` is N / batch, a real number: the stream is
epoch after epoch without a gap, so a step may hold the end of one and the beginning of the next. It has no end unless
`last_step` names one (the first step that is no longer wanted).

Everything is a pure function of (`config.run.seed`, step): step s holds the places s B .. s B + B - 1 of the stream
(`pretrain.order`), rank r of R takes the r-th part of them, cut into micro-batches, and what is random about a picture
(mirror, crop, mask) is drawn from (seed, epoch, number of the picture). So the global batch is the same for any number
of ranks, of micro-batches and of worker processes; no picture is seen twice in an epoch; and a run goes on in the
middle of an epoch knowing its step and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from facebench.errors import FacebenchError, UsageError
from facebench.shapes import AnyArray, BoolArray, ByteArray, IntArray
from pretrain.batch import Batch
from pretrain.config import PretrainConfig
from pretrain.masking import draw_mask
from pretrain.order import Order, first_sizes
from pretrain.regions import region_map
from pretrain.shards import Shards
from pretrain.views import View, draws, opened, shown

if TYPE_CHECKING:
    from pretrain.regions import Source


@dataclass(frozen=True, eq=False)
class _Raw:
    """A micro-batch as it comes from a worker: bytes, which are a quarter of the floats.

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
class Pictures:
    """The stream by place: `pictures[places]` is what is shown at those places; handed to every worker.

    Attributes:
        config: the run.
        shards: the set.
        order: of the pictures.
        grid: G, patches along each side.
    """

    config: PretrainConfig
    shards: Shards
    order: Order
    grid: int
    _epoch: Any = field(default=None, repr=False)

    def __getitem__(self, places: range) -> _Raw | FacebenchError:
        """The pictures at `places`; an error is handed on as a value, since a raised one would lose its one line."""
        try:
            shown = [self._one(place) for place in places]
        except FacebenchError as error:
            return error
        images, masks, regions, ids = zip(*shown, strict=True)
        return _Raw(np.stack(images), np.stack(masks), np.stack(regions), ids)

    def _one(self, place: int) -> tuple[ByteArray, BoolArray, IntArray, str]:
        epoch, at = divmod(place, self.order.pictures)
        number = int(self._order_of(epoch)[at])
        rng = draws(self.config.run.seed, epoch, number)
        size = self.config.encoder.img_size
        stored = self.shards.read(number)
        view = shown(opened(stored, self.shards.where(number)), self.config.data, size=size, rng=rng)
        regions = self._regions(view, size)
        return view.image, draw_mask(regions, self.config.mask, grid=self.grid, rng=rng), regions, stored.key

    def _regions(self, view: View, size: int) -> IntArray:
        source: Source = self.config.mask.region_source
        return region_map(view.points, source=source, size=size, grid=self.grid, labels=view.labels)

    def _order_of(self, epoch: int) -> IntArray:
        if self._epoch is None:
            self._epoch = lru_cache(maxsize=2)(self.order.epoch)
        return np.asarray(self._epoch(epoch))

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_epoch": None}


@dataclass(frozen=True)
class Share:
    """What one rank takes of each step.

    Attributes:
        batch: B, pictures of a step over all ranks.
        world: R, number of ranks.
        rank: number of this one.
        accumulate: micro-batches of a rank in a step.
    """

    batch: int
    world: int
    rank: int
    accumulate: int

    def __post_init__(self) -> None:
        if self.batch % (self.world * self.accumulate):
            raise UsageError(
                f"optim.batch {self.batch} cannot be shared by {self.world} ranks with {self.accumulate} micro-batches "
                f"each; make it a multiple of {self.world * self.accumulate}"
            )

    @property
    def micro(self) -> int:
        """Pictures of a micro-batch."""
        return self.batch // (self.world * self.accumulate)

    def firsts(self) -> range:
        """Where in the global batch each micro-batch of this rank begins."""
        start = self.rank * self.accumulate * self.micro
        return range(start, start + self.accumulate * self.micro, self.micro)


class Stream:
    """Batches from `first_step` on; see the head of this file. Ask for it by `open_stream`.

    Attributes:
        share: what this rank takes.
        pictures: N, pictures of an epoch.
    """

    def __init__(self, pictures: Pictures, share: Share, *, first_step: int, last_step: int | None, device: str):
        self.share = share
        self.pictures = pictures.order.pictures
        self._source = pictures
        self._steps = (first_step, last_step)
        self._device = device
        self._loading: Any = None

    @property
    def steps_per_epoch(self) -> float:
        """Steps of one pass over the pictures."""
        return self.pictures / self.share.batch

    def __iter__(self) -> Iterator[list[Batch]]:
        firsts = list(self.share.firsts())
        self._loading = loading = iter(self._loader())
        while True:
            batches = []
            for first in firsts:
                raw = _next(loading)
                if raw is None:
                    return
                batches.append(self._batch(raw, first))
            yield batches

    def close(self) -> None:
        """End the worker processes."""
        loading, self._loading = self._loading, None
        if hasattr(loading, "_shutdown_workers"):
            loading._shutdown_workers()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _places(self) -> Iterator[range]:
        """Places of each micro-batch of this rank, step after step."""
        step, last = self._steps
        while last is None or step < last:
            for first in self.share.firsts():
                start = step * self.share.batch + first
                yield range(start, start + self.share.micro)
            step += 1

    def _loader(self) -> Any:
        """Torch's loader with one micro-batch an item; its worker processes come from a server without threads."""
        import torch
        from torch.utils.data import DataLoader

        workers = self._source.config.data.workers
        source: Any = self._source
        collate: Any = _tensors
        return DataLoader(
            source,
            batch_size=None,
            sampler=_Endless(self._places),
            num_workers=workers,
            collate_fn=collate,
            worker_init_fn=_one_thread,
            generator=torch.Generator(),  # its own, so that asking for batches takes nothing from the run's
            multiprocessing_context=_context() if workers else None,
            pin_memory=torch.device(self._device).type == "cuda",
        )

    def _batch(self, raw: dict[str, Any], first: int) -> Batch:
        import torch

        moved = {name: raw[name].to(self._device, non_blocking=True) for name in ("images", "replaced", "regions")}
        images = moved["images"].permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format) / 255
        ids = tuple(raw["ids"])
        return Batch(images, moved["replaced"], moved["regions"], ids=ids, first=first, total=self.share.batch)


def open_stream(
    config: PretrainConfig,
    shards: Shards,
    *,
    rank: int,
    world: int,
    first_step: int,
    patch: int,
    last_step: int | None = None,
    device: str = "cpu",
) -> Stream:
    """Batches of one rank, from `first_step` on.

    Args:
        config: the run; `data`, `mask`, `encoder.img_size`, `optim.batch`, `optim.accumulate` and `run.seed` count.
        shards: the opened set.
        rank: number of this rank.
        world: number of ranks.
        first_step: the step to begin with, 0 for a new run.
        patch: P, side of a patch of the encoder, pixels.
        last_step: where to stop, None for never.
        device: where the batches are wanted.

    Raises:
        UsageError: the batch cannot be shared, patches do not fit the picture, or the set lacks what the masks need.
        DataError: while iterating: a picture is damaged; shard and picture are named.
    """
    size = config.encoder.img_size
    if size % patch:
        raise UsageError(f"encoder.img_size {size} is not a multiple of the encoder's patch, {patch} pixels")
    _check_source(config, shards)
    order = Order(first_sizes(shards.sizes, config.data.limit), config.data.shuffle_shards, config.run.seed)
    share = Share(config.optim.batch, world, rank, config.optim.accumulate)
    pictures = Pictures(config, shards, order, size // patch)
    return Stream(pictures, share, first_step=first_step, last_step=last_step, device=device)


def _check_source(config: PretrainConfig, shards: Shards) -> None:
    source, manifest = config.mask.region_source, shards.manifest
    if source == "sixty-eight" and manifest.points != 68:
        raise UsageError(
            f"mask.region_source is sixty-eight, and not every picture of {shards.folder} has 68 points; set it to five"
        )
    if source == "five" and not manifest.points:
        raise UsageError(
            f"mask.region_source is five, and no picture of {shards.folder} has points; set it to template (for crops "
            "that are aligned), or prepare with points"
        )
    if source == "parsing" and manifest.supervision != "parsing":
        raise UsageError(
            f"mask.region_source is parsing, and {shards.folder} holds no label maps; prepare it with --parsing"
        )


class _Endless:
    """A sampler of torch's loader that is no list: items come from a function, and their number is not known."""

    def __init__(self, items: Any) -> None:
        self._items = items

    def __iter__(self) -> Iterator[range]:
        return iter(self._items())


def _tensors(raw: _Raw | FacebenchError) -> dict[str, Any]:
    """A micro-batch as tensors, which pass between processes by shared memory."""
    import torch

    if isinstance(raw, FacebenchError):
        return {"error": raw}
    arrays: dict[str, AnyArray] = {"images": raw.images, "replaced": raw.replaced, "regions": raw.regions}
    return {name: torch.from_numpy(array) for name, array in arrays.items()} | {"ids": list(raw.ids)}


def _next(loading: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
    """The next micro-batch; None at the end."""
    try:
        raw = next(loading, None)
    except RuntimeError as cause:
        if "DataLoader worker" not in str(cause):
            raise
        raise FacebenchError(
            f"a loader process ended ({str(cause).splitlines()[0]}); out of memory? set data.workers lower"
        ) from cause
    if raw is not None and "error" in raw:
        raise raw["error"]
    return raw


def _one_thread(worker: int) -> None:
    import cv2

    del worker
    cv2.setNumThreads(1)


def _context() -> Any:
    """Processes from a fork server: a plain fork of a process with threads (OpenCV's, CUDA's) may hang."""
    import multiprocessing

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pretrain.loader", "torch"])
    return context
