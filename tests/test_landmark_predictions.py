"""Landmark files: round trips to the bit, and every way they can be wrong."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facebench.errors import DataError
from facebench.landmark_predictions import read_landmarks, write_landmarks
from facebench.types import LabelMap, Landmarks, Sample


def sample(name: str, target: Any = None) -> Sample:
    return Sample(id=name, image=Path("none.jpg"), box=None, target=target)


def face(name: str, size: int = 3, located: Sequence[bool] | None = None) -> Sample:
    flags = None if located is None else np.array(located)
    return sample(name, Landmarks(points=np.zeros((size, 2)), located=flags))


POINTS = np.random.default_rng(0).uniform(-20, 500, (4, 3, 2))
NAMES = ["a/b.jpg#12,30", "é", "plain", "with space"]


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_landmarks_come_back_to_the_bit(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "deep" / f"p{suffix}"
    write_landmarks(path, NAMES, POINTS)
    got = read_landmarks(path)
    assert list(got.ids()) == NAMES == list(got)
    for name, points in zip(NAMES, POINTS, strict=True):
        np.testing.assert_array_equal(got.read(face(name)), points)
    assert got.digest() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no half-written file beside it


def test_written_by_numpy_and_json_alone_is_read_alike(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", ids=np.array(NAMES), points=POINTS.astype(np.float32))
    (tmp_path / "p.json").write_text(json.dumps({n: p.tolist() for n, p in zip(NAMES, POINTS, strict=True)}))
    a, b = read_landmarks(tmp_path / "p.npz"), read_landmarks(tmp_path / "p.json")
    for name in NAMES:
        assert a.read(face(name)).dtype == np.float64
        np.testing.assert_allclose(a.read(face(name)), b.read(face(name)), rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2e6])
def test_a_wild_number_fails_its_own_sample_only(tmp_path: Path, value: float) -> None:
    points = POINTS.copy()
    points[1, 2, 0] = value
    write_landmarks(tmp_path / "p.npz", NAMES, points)
    got = read_landmarks(tmp_path / "p.npz")
    with pytest.raises(DataError, match=NAMES[1]):
        got.read(face(NAMES[1]))
    np.testing.assert_array_equal(got.read(face(NAMES[0])), POINTS[0])


def test_a_nan_is_forgiven_only_where_the_truth_has_no_place(tmp_path: Path) -> None:
    points = POINTS.copy()
    points[0, 1] = np.nan
    write_landmarks(tmp_path / "p.npz", NAMES, points)
    got = read_landmarks(tmp_path / "p.npz")
    assert np.isfinite(got.read(face(NAMES[0], located=[True, False, True]))).all()
    with pytest.raises(DataError, match="not finite at 1 points, the first is 1"):
        got.read(face(NAMES[0], located=[True, True, False]))
    assert np.isnan(points[0, 1]).all()  # what was read is not written into


@pytest.mark.parametrize(
    "stored", ["[[1, 2], [3]]", "[[1, 2], [3, 4]]", "[1, 2, 3]", '"x"', "null", "[[1,2],[3,4],[5,null]]", '{"x": 1}']
)
def test_json_faces_of_the_wrong_shape_fail_alone(tmp_path: Path, stored: str) -> None:
    (tmp_path / "p.json").write_text(
        f'{{"good": [[1, 2], [3, 4], [5, 6]], "bad": {stored}, "nan": [[1, 2], [NaN, 4], [5, 6]]}}'
    )
    got = read_landmarks(tmp_path / "p.json")
    np.testing.assert_array_equal(got.read(face("good")), [[1, 2], [3, 4], [5, 6]])
    for name in ("bad", "nan"):
        with pytest.raises(DataError, match=name):
            got.read(face(name))
    with pytest.raises(DataError, match="no prediction for gone"):
        got.read(face("gone"))


def save(**arrays: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays)


def bomb(path: Path) -> None:
    """A member whose header says 8 TB."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (10**9, 500, 2)})
    names = io.BytesIO()
    np.save(names, np.array(["a"]))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ids.npy", names.getvalue())
        archive.writestr("points.npy", buffer.getvalue())


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (save(ids=np.array(["a", "b"], dtype=object), points=POINTS[:2]), "no pickled objects"),
        (save(ids=np.array(["a"]), points=np.array([[[1, 2]], None], dtype=object)), "no pickled objects"),
        (save(names=np.array(["a"]), points=POINTS[:1]), "`ids`"),
        (save(ids=np.array(["a"])), "points"),
        (save(ids=np.array(["a"]), points=POINTS), r"`points` is \(4, 3, 2\)"),
        (save(ids=np.array(["a"]), points=np.zeros((1, 3, 3))), r"not \(1, K, 2\)"),
        (save(ids=np.array([1]), points=POINTS[:1]), r"\(N,\) str"),
        (save(ids=np.array(["a"]), points=np.array([[["1", "2"]]])), "float"),
        (save(ids=np.array(["a"]), points=POINTS[:1] * 1j), "float"),
        (save(ids=np.array([], dtype="U1"), points=POINTS[:0]), "holds no prediction"),
        (bomb, "landmark predictions"),
        (lambda path: path.write_bytes(b"PK\x03\x04 not a zip"), "landmark predictions"),
        (lambda path: path.write_bytes(b""), "landmark predictions"),
        (lambda path: path.mkdir(), "cannot read"),
    ],
)
def test_npz_files_that_are_not_predictions(tmp_path: Path, write: Callable[[Path], None], reason: str) -> None:
    write(tmp_path / "p.npz")
    with pytest.raises(DataError, match=reason) as caught:
        read_landmarks(tmp_path / "p.npz")
    assert "p.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    np.savez(tmp_path / "p.npz", ids=np.array(["a"]), points=np.array([Trap()], dtype=object))
    (tmp_path / "plain.npz").write_bytes(__import__("pickle").dumps({"a": Trap()}))
    for name in ("p.npz", "plain.npz"):
        with pytest.raises(DataError):
            read_landmarks(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "p.npz", ids=np.array(["a"]), points=np.zeros((1, 10_000, 2)))
    monkeypatch.setattr("facebench.landmark_predictions.MAX_BYTES", 10_000)
    with pytest.raises(DataError, match="more than 10000 are refused"):
        read_landmarks(tmp_path / "p.npz")


@pytest.mark.parametrize("text", ["", "{", "[]", "[[1, 2]]", "3", '"x"', "{}", "[" * 100_000])
def test_json_files_that_are_not_predictions(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(DataError, match=r"p\.json"):
        read_landmarks(tmp_path / "p.json")


def test_other_endings_and_absent_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", POINTS)
    with pytest.raises(DataError, match=r"\.npz or \.json"):
        read_landmarks(tmp_path / "p.npy")
    with pytest.raises(DataError, match="cannot read"):
        read_landmarks(tmp_path / "gone.npz")


def test_writers_refuse_what_no_reader_could_use(tmp_path: Path) -> None:
    nan = np.full((1, 3, 2), np.nan)
    for ids, points, name in [
        (["a"], POINTS, "p.npz"),
        (["a", "a", "b", "c"], POINTS, "p.npz"),
        (["a"], nan, "p.json"),
        (NAMES, POINTS, "p.csv"),
        (NAMES, POINTS[..., 0], "p.npz"),
    ]:
        with pytest.raises(DataError, match="cannot write"):
            write_landmarks(tmp_path / name, ids, points)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        write_landmarks(tmp_path / "file" / "p.npz", NAMES, POINTS)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_label_targets_do_not_ask_for_points(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "p.npz", ["a"], POINTS[:1])
    other = sample("a", LabelMap(files=(), read=lambda: np.zeros((1, 1), np.uint8)))
    assert read_landmarks(tmp_path / "p.npz").read(other).shape == (3, 2)
