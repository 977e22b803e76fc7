"""How kernels are compiled: cached on disk, without the interpreter lock, serial (callers bring the threads)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def _compile(function: Kernel, *, fastmath: bool, forceinline: bool = False, counted: bool = True) -> Kernel:
    # A division by zero gives infinity as in numpy: a test at every division would cost more than the division.
    # `_nrt=False` leaves out the atomic reference counts of arrays, which is right where nothing is allocated.
    compiled: Any = njit(  # type: ignore[call-overload]
        cache=True, nogil=True, error_model="numpy", fastmath=fastmath, forceinline=forceinline, _nrt=counted
    )
    return cast("Kernel", compiled(function))


def exact(function: Kernel) -> Kernel:
    """Compile geometry: IEEE arithmetic in the written order, so that places and labels are reproducible."""
    return _compile(function, fastmath=False)


def quick(function: Kernel) -> Kernel:
    """Compile colour: the compiler may reorder sums, which can move a grey level by one between processors."""
    return _compile(function, fastmath=True)


def inlined(function: Kernel) -> Kernel:
    """Compile a piece of a kernel that runs at every pixel: always inlined, since a call costs more than the work."""
    return _compile(function, fastmath=True, forceinline=True, counted=False)


def leaf(function: Kernel) -> Kernel:
    """Compile a small function that kernels call at every pixel and that allocates nothing."""
    return _compile(function, fastmath=True, counted=False)
