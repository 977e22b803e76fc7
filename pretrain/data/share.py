"""What each rank takes of a step: a contiguous part of the global batch, cut into micro-batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from facebench.errors import UsageError


@dataclass(frozen=True)
class Share:
    """The part of one rank; iterating gives the places of the stream of each of its micro-batches, step after step.

    Attributes:
        batch: B, pictures of a step over all ranks.
        world: R, number of ranks.
        rank: number of this one.
        accumulate: micro-batches of a rank in a step.
        first_step: the step to begin with.
    """

    batch: int
    world: int
    rank: int
    accumulate: int
    first_step: int

    def __post_init__(self) -> None:
        parts = self.world * self.accumulate
        if self.batch % parts:
            raise UsageError(
                f"optim.batch {self.batch} cannot be shared by {self.world} ranks with {self.accumulate} micro-batches "
                f"each; make it a multiple of {parts}"
            )

    @property
    def micro(self) -> int:
        """Pictures of a micro-batch."""
        return self.batch // (self.world * self.accumulate)

    @property
    def firsts(self) -> range:
        """Where in the global batch each micro-batch of this rank begins."""
        start = self.rank * self.accumulate * self.micro
        return range(start, start + self.accumulate * self.micro, self.micro)

    def __iter__(self) -> Iterator[range]:
        for step in count(self.first_step):
            for first in self.firsts:
                start = step * self.batch + first
                yield range(start, start + self.micro)
