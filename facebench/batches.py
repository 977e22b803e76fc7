"""Batches that shrink where memory runs out: half the size, again, until one picture does not fit either."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from facebench.errors import FacebenchError

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass
class Batches:
    """The batch size of a run.

    Attributes:
        size: what is tried next; only ever goes down.
    """

    size: int

    def run(self, make: Callable[[Sequence[Item]], Made], items: Sequence[Item]) -> Iterator[Made]:
        """`make` of consecutive batches of `items`. Raises `FacebenchError` where one item does not fit."""
        start = 0
        while start < len(items):
            batch = items[start : start + self.size]
            made = self._attempt(make, batch)
            if made is None:
                self._shrink(len(batch))
                continue
            start += len(batch)
            yield made

    def _attempt(self, make: Callable[[Sequence[Item]], Made], batch: Sequence[Item]) -> Made | None:
        """`make(batch)`, or None where memory ran out; the failed call's own tensors are gone when this returns."""
        try:
            return make(batch)
        except (MemoryError, RuntimeError) as cause:
            if not out_of_memory(cause):
                raise
        return None

    def _shrink(self, tried: int) -> None:
        if tried <= 1:
            raise FacebenchError("not even one picture fits into memory; choose a smaller backbone or input size")
        self.size = tried // 2
        _release()


def out_of_memory(cause: BaseException) -> bool:
    """Whether `cause` is memory that ran out, as torch says it on a GPU, on MPS and on a CPU."""
    import torch

    if isinstance(cause, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(cause).lower()
    return isinstance(cause, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def _release() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
