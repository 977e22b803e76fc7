from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facebench.errors import DataError
from facebench.geometry.head_model import IDENTITY, read_head_model

RNG = np.random.default_rng(0)
MODEL: dict[str, Any] = {
    "v_template": RNG.normal(size=(9, 3)),
    "shapedirs": RNG.normal(size=(9, 3, 4)),
    "f": np.array([[0, 1, 2], [2, 3, 8]], dtype=np.uint32),
}


def _write(path: Path, **changes: Any) -> Path:
    arrays = {key: value for key, value in (MODEL | changes).items() if value is not None}
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        path.write_bytes(pickle.dumps(arrays, protocol=2))
    return path


@pytest.mark.parametrize("name", ["flame.npz", "flame.pkl"])
def test_both_kinds_of_file_are_one_model(tmp_path: Path, name: str) -> None:
    model = read_head_model(_write(tmp_path / name, weights=np.zeros(3)))
    np.testing.assert_array_equal(model.template, MODEL["v_template"])
    np.testing.assert_array_equal(model.directions[2], MODEL["shapedirs"][:, :, 2])
    np.testing.assert_array_equal(model.faces, MODEL["f"])
    assert model.name == name
    assert model.sha256 == read_head_model(_write(tmp_path / "other.npz")).sha256
    assert model.sha256 != read_head_model(_write(tmp_path / "other.npz", f=MODEL["f"][::-1])).sha256


def test_expression_is_left_out(tmp_path: Path) -> None:
    directions = RNG.normal(size=(9, 3, IDENTITY + 100))
    model = read_head_model(_write(tmp_path / "flame.npz", shapedirs=directions))
    np.testing.assert_array_equal(model.directions, np.moveaxis(directions, 2, 0)[:IDENTITY])


@pytest.mark.parametrize("name", ["flame.npz", "flame.pkl"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shapedirs": None}, "holds no shapedirs; a head model has v_template, shapedirs, f"),
        ({"v_template": None, "f": None}, "holds no v_template and no f"),
        ({"v_template": np.zeros((9, 2))}, r"v_template \(9, 2\)"),
        ({"shapedirs": np.zeros((8, 3, 4))}, r"shapedirs \(8, 3, 4\)"),
        ({"shapedirs": np.zeros((9, 3, 0))}, r"shapedirs \(9, 3, 0\)"),
        ({"f": np.zeros((2, 4), int)}, r"f \(2, 4\)"),
        ({"f": np.zeros((2, 3))}, "f of float64"),
        ({"f": np.full((2, 3), 9)}, "names vertex 10 of 9"),
        ({"f": np.zeros((0, 3), int)}, "empty"),
        ({"v_template": np.full((9, 3), np.nan)}, "not finite"),
        ({"shapedirs": np.full((9, 3, 4), np.inf)}, "directions that are not finite"),
        ({"v_template": np.full((9, 3), {}, dtype=object)}, "pickle|not of numbers"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_head_model(_write(tmp_path / name, **changes))


def test_missing_damaged_and_other_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_head_model(tmp_path / "flame.npz")
    with pytest.raises(DataError, match="a head model is read from"):
        read_head_model(tmp_path / "flame.h5")
    path = _write(tmp_path / "flame.npz")
    whole = path.read_bytes()
    for content in (b"", b"PK\x03\x04", whole[:200], whole[:-30]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"of plain arrays|holds no"):
            read_head_model(path)
