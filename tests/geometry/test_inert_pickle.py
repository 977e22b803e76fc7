from __future__ import annotations

import io
import pickle
import pickletools
import struct
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from facebench.errors import DataError
from facebench.geometry.inert_pickle import read_arrays

RNG = np.random.default_rng(0)
ARRAYS = {
    "floats": RNG.normal(size=(4, 3)),
    "single": RNG.normal(size=(2, 3, 5)).astype(np.float32),
    "columns": np.asfortranarray(RNG.normal(size=(4, 3))),
    "strided": np.moveaxis(RNG.normal(size=(4, 3, 2)), 0, 2),
    "faces": np.arange(12, dtype=np.uint32).reshape(4, 3),
    "big": np.arange(6, dtype=">i4"),
    "one": np.float64(2.5),
    "none": np.empty((0, 3)),
}


def ran(*_: Any) -> str:
    raise AssertionError("the pickle was obeyed")


class Bomb:
    def __reduce__(self) -> Any:
        return ran, ()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_of_every_protocol_come_back(protocol: int) -> None:
    content = pickle.dumps(ARRAYS | {"name": "text", "list": [1, 2]}, protocol=protocol)
    found = read_arrays(content, "model.pkl")
    assert found.keys() == ARRAYS.keys()
    for key, array in ARRAYS.items():
        np.testing.assert_array_equal(found[key], array)
        assert found[key].dtype.kind == array.dtype.kind


def _python2(text: str) -> bytes:
    """A string as Python 2 pickled it: bytes with a length before them."""
    data = text.encode("latin1")
    return b"T" + struct.pack("<i", len(data)) + data


def test_an_array_of_python_2_comes_back() -> None:
    """Written by hand after what numpy 1.16 on Python 2.7 writes at protocol 2."""
    raw = np.array([[1.5, -2.0, 3e300]]).tobytes().decode("latin1")
    content = (
        b"\x80\x02}" + _python2("v_template")
        + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + _python2("b") + b"\x87R"
        + b"(K\x01K\x01K\x03\x86cnumpy\ndtype\n" + _python2("f8") + b"K\x00K\x01\x87R"
        + b"(K\x03" + _python2("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89" + _python2(raw) + b"tbs."
    )  # fmt: skip
    pickletools.dis(content, out=io.StringIO())  # it is well-formed
    found = read_arrays(content, "model.pkl")
    np.testing.assert_array_equal(found["v_template"], [[1.5, -2.0, 3e300]])


def test_chumpy_and_sparse_are_read_without_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("chumpy.ch")

    class Ch:
        pass

    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    module.Ch = Ch  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)
    variable = Ch()
    variable.__dict__ = {"x": ARRAYS["floats"], "_dirty_vars": {"x"}, "_itr": None}
    content = pickle.dumps({"shapedirs": variable, "J_regressor": scipy.sparse.csc_matrix(np.eye(3))}, protocol=2)
    monkeypatch.delitem(sys.modules, "chumpy.ch")
    monkeypatch.delitem(sys.modules, "chumpy")
    found = read_arrays(content, "model.pkl")
    assert list(found) == ["shapedirs"]
    np.testing.assert_array_equal(found["shapedirs"], ARRAYS["floats"])
    assert "chumpy" not in sys.modules


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a pickle"),
        (b"hello", "not a pickle"),
        (pickle.dumps(ARRAYS)[:-40], "not a pickle"),
        (pickle.dumps([1, 2]), "no dictionary"),
        (pickle.dumps({"a": Bomb()}), "test_inert_pickle.ran, which is refused"),
        (b"cos\nsystem\n(S'true'\ntR.", "os.system, which is refused"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "builtins.eval, which is refused"),
        (b"cnumpy\nload\n(S'x'\ntR.", "numpy.load, which is refused"),
        (b"cnumpy.core.multiarray\n_reconstruct\n)R.", "no dictionary|missing"),
        (pickle.dumps({"a": np.array([{}], dtype=object)}), "of objects, not of numbers|an array of object"),
        (pickle.dumps({"a": np.array(["x"])}), "not of numbers"),
        (b"(dS'a'\ncnumpy\nndarray\n(I99999999999\ntRS'x'\nbs.", "not a pickle"),
        (b"\x80\x02}U\x01acnumpy\nndarray\n)\x81s.", None),  # an array made without a call is empty
    ],
)
def test_what_is_damaged_or_hostile_is_refused(content: bytes, message: str | None) -> None:
    if message is None:
        assert read_arrays(content, "model.pkl")["a"].shape == (0,)
        return
    with pytest.raises(DataError, match=message):
        read_arrays(content, "model.pkl")


def test_a_shape_that_promises_too_much_allocates_nothing() -> None:
    content = pickle.dumps({"a": np.zeros(7)}, protocol=2).replace(b"K\x07\x85", b"J\xff\xff\xff\x7f\x85")
    with pytest.raises(DataError, match="reshape"):
        read_arrays(content, "model.pkl")


def test_real_embeddings_are_read(shared_data: Path) -> None:
    path = shared_data / "flame_fitting_scan/models/flame_static_embedding.pkl"
    found = read_arrays(path.read_bytes(), str(path))
    assert found["lmk_face_idx"].shape == (51,)
    np.testing.assert_allclose(found["lmk_b_coords"].sum(axis=1), 1, atol=1e-6)
