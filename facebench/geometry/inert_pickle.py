"""Numbers out of a pickle without running anything that the pickle names.

A plain unpickle calls whatever the file asks for. Here every name that the file asks for is answered with one of the
few inert stand-ins below, or refused. Arrays are made from their raw bytes and a numeric type, never by numpy's own
unpickling. Objects of chumpy and scipy.sparse, which old model files are full of, become `Thing`s that keep their state
and do nothing; neither package is imported.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from facebench.errors import DataError
from facebench.shapes import AnyArray

_INERT = ("chumpy", "scipy.sparse")  # packages whose objects are kept as `Thing`s
_KINDS = "fiub"  # floats, integers, flags


class Thing:
    """An object of a package that is not imported: its state, and no behaviour."""

    state: Any = None  # of the class too: a pickle may make an instance without calling it

    def __init__(self, *_: Any) -> None:
        """Take what the pickle would build the object from, and leave it."""

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Type:
    """A numpy type: `dtype('f8', 0, 1)` and then the state (3, '<', None, ...)."""

    code: Any = ""
    order: Any = "="

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]

    def resolve(self) -> np.dtype[Any]:
        dtype = np.dtype(str(self.code))
        dtype = dtype.newbyteorder(">") if self.order == ">" else dtype
        if dtype.kind not in _KINDS:
            raise ValueError(f"an array of {dtype}, not of numbers")
        return dtype


class _Array:
    """An array to be: numpy makes an empty one and then gives it (version, shape, type, by columns, bytes)."""

    values: AnyArray = np.empty(0)

    def __init__(self, *_: Any) -> None:
        """Take the size that numpy would begin with, and leave it."""

    def __setstate__(self, state: Any) -> None:
        *_, shape, dtype, by_columns, data = state
        self.values = _shaped(_bytes(data), dtype, shape, "F" if by_columns else "C")


def _shaped(data: bytes, dtype: Any, shape: Any, order: Any) -> AnyArray:
    if not isinstance(dtype, _Type):
        raise ValueError("an array without a type")
    values = np.frombuffer(data, dtype=dtype.resolve())
    return values.reshape(tuple(map(int, shape)), order="F" if order == "F" else "C")


def _bytes(data: Any) -> bytes:
    """Raw bytes; Python 2 wrote them as text, one character a byte."""
    if isinstance(data, str):
        return data.encode("latin1")
    if not isinstance(data, bytes | bytearray):
        raise ValueError("an array of objects, not of numbers")
    return bytes(data)


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> _Array:
    array = _Array()
    array.values = _shaped(_bytes(data), dtype, shape, order)
    if axes is not None:  # numpy 2.3 on: neither by rows nor by columns
        array.values = array.values.transpose(tuple(map(int, axes)))
    return array


def _scalar(dtype: Any, data: Any) -> AnyArray:
    return _shaped(_bytes(data), dtype, (), "C")


def _encode(text: Any, how: Any = "latin1") -> bytes:
    if how != "latin1":
        raise ValueError(f"text in {how!r}")
    return str(text).encode("latin1")


def _no_bytes() -> bytes:
    """`bytes()`, which is how the old protocols write none; with a number it would allocate as many."""
    return b""


def _reconstruct(kind: Any, *_: Any) -> Any:
    """What Python 2 makes an object by: a bare instance, whose state follows."""
    return kind() if kind in (Thing, _Array) else Thing()


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    **{
        (f"numpy.{core}.{module}", name): stand_in
        for core in ("core", "_core")
        for module, name, stand_in in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
    ("_codecs", "encode"): _encode,
    **{(module, "_reconstructor"): _reconstruct for module in ("copy_reg", "copyreg")},
    **{(module, "object"): Thing for module in ("__builtin__", "builtins")},
    **{(module, "set"): set for module in ("__builtin__", "builtins")},
    **{(module, "bytes"): _no_bytes for module in ("__builtin__", "builtins")},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = _KNOWN.get((module, name))
        if known is not None:
            return known
        if any(module == package or module.startswith(f"{package}.") for package in _INERT):
            return Thing
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")


def read_arrays(content: bytes, name: str) -> dict[str, AnyArray]:
    """Arrays of numbers in a pickled dictionary, by key; what is none is left out.

    Args:
        content: the pickle, of Python 2 or 3.
        name: of the file, for messages.

    Raises:
        DataError: no pickle, cut short, no dictionary, or it asks for anything but arrays and inert objects.
    """
    try:
        found = _Reader(io.BytesIO(content), encoding="latin1").load()
    except Exception as cause:  # a damaged or hostile pickle fails in any way it likes
        reason = str(cause) or type(cause).__name__
        raise DataError(f"{name} is not a pickle of plain arrays: {reason}") from cause
    if not isinstance(found, dict):
        raise DataError(f"{name} holds no dictionary of arrays")
    arrays = ((key, _values(value)) for key, value in found.items() if isinstance(key, str))
    return {key: values for key, values in arrays if values is not None}


def _values(value: Any) -> AnyArray | None:
    """The array itself, or the values `x` of a chumpy variable."""
    if isinstance(value, Thing) and isinstance(value.state, dict):
        value = value.state.get("x")
    if isinstance(value, _Array):
        return value.values
    return value if isinstance(value, np.ndarray) else None
