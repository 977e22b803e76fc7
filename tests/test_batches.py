from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from facebench.batches import Batches, out_of_memory
from facebench.errors import FacebenchError


def _limited(limit: int, error: BaseException):  # type: ignore[no-untyped-def]
    def make(batch: Sequence[int]) -> list[int]:
        if len(batch) > limit:
            raise error
        return [2 * item for item in batch]

    return make


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("x"), RuntimeError("CUDA out of memory. Tried")]
)
def test_halves_until_it_fits_and_stays_there(error: BaseException) -> None:
    batches = Batches(16)
    made = list(batches.run(_limited(3, error), list(range(20))))
    assert [x for part in made for x in part] == [2 * i for i in range(20)]
    assert batches.size == 2
    assert [len(part) for part in made] == [2] * 10


def test_one_picture_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(FacebenchError, match="not even one picture"):
        list(Batches(4).run(_limited(0, MemoryError()), [1, 2, 3]))


def test_other_errors_are_not_taken_for_memory() -> None:
    with pytest.raises(RuntimeError, match="shape"):
        list(Batches(4).run(_limited(0, RuntimeError("shape mismatch")), [1]))
    assert not out_of_memory(ValueError("out of memory"))


def test_the_cpu_allocator_is_understood() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50, dtype=torch.float64)
    assert out_of_memory(caught.value)
