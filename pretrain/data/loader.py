"""The batches of a training, from a prepared set: which pictures, how they are shown, which patches are replaced.

    shards = Shards.open(config.data.shards)
    with open_stream(config, shards, rank=0, world=1, first_step=step, patch=16, device="cuda") as stream:
        for batches in stream:    # one list a step: `config.optim.accumulate` micro-batches, each a `Batch` on `device`
            ...

`stream.pictures` is N, the pictures of an epoch, and `stream.steps_per_epoch` is N / batch, a real number: the stream
is epoch after epoch without a gap, so a step may hold the end of one and the beginning of the next. It has no end.

Everything is a pure function of (`config.run.seed`, step): step s holds the places s B .. s B + B - 1 of the stream
(`pretrain.data.order`), rank r of R takes the r-th part of them, cut into micro-batches (`pretrain.data.share`), and
what is random about a picture (mirror, crop, mask) is drawn from (seed, epoch, number of the picture). So the global
batch is the same for any number of ranks, of micro-batches and of worker processes; no picture is seen twice in an
epoch; and a run goes on in the middle of an epoch knowing its step and nothing else. Global random state is neither
read nor moved.

A damaged picture raises `DataError` where its turn comes, naming shard and picture. Worker processes end with the
`with` block, with `close()`, or when the stream is dropped.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Generator, Iterator
from typing import Any

from facebench.errors import FacebenchError, UsageError
from facebench.shapes import AnyArray
from pretrain.batch import Batch
from pretrain.config import PretrainConfig
from pretrain.data.order import Order, first_sizes
from pretrain.data.shards import Shards
from pretrain.data.share import Share
from pretrain.data.stream import Shown, Stream


class Batches:
    """Batches of one rank, step after step, without end; ask for it by `open_stream`.

    Attributes:
        pictures: N, pictures of an epoch.
        steps_per_epoch: N / batch, steps of one pass over the pictures.
    """

    def __init__(self, stream: Stream, share: Share, device: str) -> None:
        self.pictures = stream.order.pictures
        self.steps_per_epoch = self.pictures / share.batch
        self._running = self._batches(stream, share, device)

    def __iter__(self) -> Generator[list[Batch]]:
        return self._running

    def close(self) -> None:
        """End the worker processes."""
        self._running.close()

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @staticmethod
    def _batches(stream: Stream, share: Share, device: str) -> Generator[list[Batch]]:
        loading = _loading(stream, share, device)
        try:
            while True:
                yield [_batch(_next(loading), at, share.batch, device) for at in share.firsts]
        finally:
            if hasattr(loading, "_shutdown_workers"):
                loading._shutdown_workers()


def open_stream(
    config: PretrainConfig,
    shards: Shards,
    *,
    rank: int,
    world: int,
    first_step: int,
    patch: int,
    device: str = "cpu",
) -> Batches:
    """Batches of one rank, from `first_step` on.

    Args:
        config: the run; `data`, `mask`, `encoder.img_size`, `optim.batch`, `optim.accumulate` and `run.seed` count.
        shards: the opened set.
        rank: number of this rank.
        world: number of ranks.
        first_step: the step to begin with, 0 for a new run.
        patch: P, side of a patch of the encoder, pixels.
        device: where the batches are wanted.

    Raises:
        UsageError: the batch cannot be shared, patches do not tile the picture, or the set lacks what the masks need.
        DataError: while iterating, where a picture is damaged.
    """
    size = config.encoder.img_size
    if size % patch:
        raise UsageError(f"encoder.img_size {size} is not a multiple of the encoder's patch, {patch} pixels")
    _check_regions(config, shards)
    order = Order(first_sizes(shards.sizes, config.data.limit), config.data.shuffle_shards, config.run.seed)
    share = Share(config.optim.batch, world, rank, config.optim.accumulate, first_step)
    return Batches(Stream(config, shards, order, size // patch), share, device)


def _check_regions(config: PretrainConfig, shards: Shards) -> None:
    """Raise `UsageError` where the set lacks what `mask.region_source` goes by."""
    source, manifest = config.mask.region_source, shards.manifest
    lacking = {
        "five": not manifest.points and "has no landmarks; set it to template, if the crops are aligned",
        "sixty-eight": manifest.points != 68 and "does not have 68 landmarks for every face; set it to five",
        "parsing": manifest.supervision != "parsing" and "has no label maps; prepare it with --parsing",
        "template": False,
    }[source]
    if lacking:
        raise UsageError(f"mask.region_source is {source}, and {shards.folder} {lacking}")


class _Sampler:
    """The micro-batches of a share as torch's loader asks for them: an iterable without a length."""

    def __init__(self, share: Share) -> None:
        self._share = share

    def __iter__(self) -> Iterator[range]:
        return iter(self._share)


def _loading(stream: Any, share: Share, device: str) -> Iterator[dict[str, Any]]:
    """Torch's loader at work, one micro-batch an item, which many processes make and which come in order."""
    import torch
    from torch.utils.data import DataLoader

    workers = stream.config.data.workers
    with warnings.catch_warnings():
        # More workers than processors is the user's choice, and may be right where a disk is slow.
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        loader = DataLoader(
            stream,
            batch_size=None,
            sampler=_Sampler(share),
            num_workers=workers,
            collate_fn=_tensors,
            worker_init_fn=_settle,
            multiprocessing_context=_context() if workers else None,
            generator=torch.Generator(),  # its own: torch draws a seed for the workers, which nothing here uses
            pin_memory=torch.device(device).type == "cuda",
        )
        return iter(loader)


def _tensors(made: Any) -> dict[str, Any]:
    """A micro-batch as tensors, which pass between processes by shared memory; an error as it is."""
    import torch

    if not isinstance(made, Shown):
        return {"error": made}
    arrays: dict[str, AnyArray] = {"images": made.images, "replaced": made.replaced, "regions": made.regions}
    return {name: torch.from_numpy(array) for name, array in arrays.items()} | {"ids": list(made.ids)}


def _batch(raw: dict[str, Any], first: int, total: int, device: str) -> Batch:
    import torch

    images, replaced, regions = (raw[name].to(device, non_blocking=True) for name in ("images", "replaced", "regions"))
    images = images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format) / 255
    return Batch(images, replaced, regions, ids=tuple(raw["ids"]), first=first, total=total)


def _next(loading: Iterator[dict[str, Any]]) -> dict[str, Any]:
    try:
        raw = next(loading)
    except RuntimeError as cause:
        if "DataLoader worker" not in str(cause):
            raise
        raise FacebenchError(
            f"a loader process ended ({str(cause).splitlines()[0]}); if memory is short, set data.workers lower"
        ) from cause
    if "error" in raw:
        raise raw["error"]
    return raw


def _settle(worker: int) -> None:
    """One thread a process; Ctrl-C is the trainer's to answer; where the trainer is gone, so is the worker."""
    import cv2

    del worker
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the trainer's end; torch's own watch looks at the fork server, which outlives a killed trainer."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _context() -> Any:
    """Processes from a fork server: a plain fork of a process with threads (OpenCV's, CUDA's) may hang."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "pretrain.data.stream"])
    return context
