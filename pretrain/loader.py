"""The batches of a training, from a prepared set: which pictures, how they are shown, which patches are replaced.

    source = open_source(config, patch=16, device="cuda")     # opens config.data.shards; a `pretrain.source.Source`
    for batches in source.steps(first, rank=0, world=1):      # step `first` and each one after it, without end
        ...                       # one list a step: `config.optim.accumulate` micro-batches, each a `Batch` on `device`

`source.pictures` is N, the pictures of an epoch; `source.digest` names the data. An epoch has N / batch steps, a real
number: the stream is epoch after epoch without a gap, so a step may hold the end of one and the beginning of the next.

Everything is a pure function of (`config.run.seed`, step): step s holds the places s B .. s B + B - 1 of the stream
(`pretrain.order`), rank r of R takes the r-th part of them, cut into micro-batches (`pretrain.share`), and what is
random about a picture (mirror, crop, mask) is drawn from (seed, epoch, number of the picture). So the global batch is
the same for any number of ranks, of micro-batches and of worker processes; no picture is seen twice in an epoch; and a
run goes on in the middle of an epoch knowing its step and nothing else. Global random state is neither read nor moved.

A damaged picture raises `DataError` where its turn comes, naming shard and picture. Worker processes end with the
iterator (`close()` it, or drop it).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from facebench.errors import FacebenchError, UsageError
from facebench.shapes import AnyArray
from pretrain.batch import Batch
from pretrain.config import PretrainConfig
from pretrain.order import Order, first_sizes
from pretrain.share import Share
from pretrain.shards import Shards
from pretrain.stream import Shown, Stream


@dataclass(frozen=True, eq=False)
class ShardSource:
    """A prepared set as a source of batches; ask for it by `open_source`.

    Attributes:
        stream: the pictures by place.
        device: where the batches are wanted.
    """

    stream: Stream
    device: str

    @property
    def pictures(self) -> int:
        """N, pictures of an epoch."""
        return self.stream.order.pictures

    @property
    def digest(self) -> str:
        """Hash (sha256, hex) of the set's keys and contents, from its manifest."""
        return self.stream.shards.manifest.digest

    def steps(self, first: int, *, rank: int, world: int) -> Iterator[list[Batch]]:
        """The micro-batches of rank `rank` of `world` in step `first` and in each one after it, without end.

        Raises:
            UsageError: the batch cannot be shared by so many.
            DataError: a picture is damaged.
        """
        optim = self.stream.config.optim
        return self._steps(Share(optim.batch, world, rank, optim.accumulate, first))

    def _steps(self, share: Share) -> Iterator[list[Batch]]:
        loading = iter(_loader(self.stream, share, self.device))
        try:
            while True:
                yield [self._batch(_next(loading), at, share.batch) for at in share.firsts]
        finally:
            if hasattr(loading, "_shutdown_workers"):
                loading._shutdown_workers()

    def _batch(self, raw: dict[str, Any], first: int, total: int) -> Batch:
        import torch

        images, replaced, regions = (
            raw[name].to(self.device, non_blocking=True) for name in ("images", "replaced", "regions")
        )
        images = images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format) / 255
        return Batch(images, replaced, regions, ids=tuple(raw["ids"]), first=first, total=total)


def open_source(config: PretrainConfig, *, patch: int, device: str = "cpu") -> ShardSource:
    """Open the set that `config` names.

    Args:
        config: the run; `data`, `mask`, `encoder.img_size`, `optim.batch`, `optim.accumulate` and `run.seed` count.
        patch: P, side of a patch of the encoder, pixels.
        device: where the batches are wanted.

    Raises:
        UsageError: patches do not tile the picture, or the set lacks what the masks need.
        DataError: the set is missing, or not as its manifest says.
    """
    size = config.encoder.img_size
    if size % patch:
        raise UsageError(f"encoder.img_size {size} is not a multiple of the encoder's patch, {patch} pixels")
    shards = Shards.open(config.data.shards)
    _check_regions(config, shards)
    order = Order(first_sizes(shards.sizes, config.data.limit), config.data.shuffle_shards, config.run.seed)
    return ShardSource(Stream(config, shards, order, size // patch), device)


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


def _loader(stream: Any, share: Share, device: str) -> Any:
    """Torch's loader, one micro-batch an item, which many processes make and which come in order."""
    import torch
    from torch.utils.data import DataLoader

    workers, collate = stream.config.data.workers, _tensors
    return DataLoader(
        stream,
        batch_size=None,
        sampler=_Sampler(share),
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=_one_thread,
        multiprocessing_context=_context() if workers else None,
        generator=torch.Generator(),  # its own: torch draws a seed for the workers, which nothing here uses
        pin_memory=torch.device(device).type == "cuda",
    )


def _tensors(made: Any) -> dict[str, Any]:
    """A micro-batch as tensors, which pass between processes by shared memory; an error as it is."""
    import torch

    if not isinstance(made, Shown):
        return {"error": made}
    arrays: dict[str, AnyArray] = {"images": made.images, "replaced": made.replaced, "regions": made.regions}
    return {name: torch.from_numpy(array) for name, array in arrays.items()} | {"ids": list(made.ids)}


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


def _one_thread(worker: int) -> None:
    import cv2

    del worker
    cv2.setNumThreads(1)


def _context() -> Any:
    """Processes from a fork server: a plain fork of a process with threads (OpenCV's, CUDA's) may hang."""
    import multiprocessing

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "pretrain.stream"])
    return context
