"""NoW submission folders: what is found, what is read, and what is never loaded."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from facebench.errors import DataError
from facebench.now_predictions import NowFolder, read_landmarks
from facebench.types import Mesh, Predictions, Sample, Scan, ScanFiles
from tests.datasets.now_tree import write_obj, write_prediction

ID = "A/selfie/IMG_1"
LANDMARKS = np.arange(21.0).reshape(7, 3) / 7


def head(size: float = 1.0) -> Scan:
    return Scan(Mesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]]) * size, np.array([[0, 1, 2]])), LANDMARKS)


def sample(name: str) -> Sample:
    def refuse() -> Scan:
        raise AssertionError("predictions are read without the truth")

    return Sample(id=name, image=Path("unused.jpg"), box=None, target=ScanFiles((), refuse))


class Trap:
    """Unpickling this leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("mesh", [".obj", ".ply"])
@pytest.mark.parametrize("landmarks", [".npy", ".txt"])
def test_every_form_reads_alike(tmp_path: Path, mesh: str, landmarks: str) -> None:
    write_prediction(tmp_path, ID, head(), mesh=mesh, landmarks=landmarks)
    predictions: Predictions = NowFolder(tmp_path)
    found = predictions.read(sample(ID))
    assert isinstance(found, Scan)
    np.testing.assert_array_equal(found.mesh.vertices, head().mesh.vertices)
    np.testing.assert_array_equal(found.landmarks, LANDMARKS)
    assert list(predictions) == list(predictions.ids()) == [ID]


def test_obj_wins_over_ply_and_npy_over_txt(tmp_path: Path) -> None:
    write_prediction(tmp_path, ID, head(5), mesh=".ply", landmarks=".txt")
    write_prediction(tmp_path, ID, head(1))
    np.save(tmp_path / f"{ID}.npy", LANDMARKS + 1)
    predictions = NowFolder(tmp_path)
    assert predictions.ids() == [ID]
    found = predictions.read(sample(ID))
    assert found.mesh.vertices.max() == 1
    np.testing.assert_array_equal(found.landmarks, LANDMARKS + 1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int32])
@pytest.mark.parametrize("shape", [(7, 3), (1, 7, 3)])
def test_plain_arrays_of_any_number(tmp_path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    values = np.arange(21).reshape(shape).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    found = read_landmarks(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, np.arange(21).reshape(7, 3))
    assert found.dtype == np.float64


def test_ids_are_sorted_and_strangers_ignored(tmp_path: Path) -> None:
    for name in ("B/selfie/x", "A/selfie/y.2", "A/multiview_neutral/z"):
        write_prediction(tmp_path, name, head())
    write_prediction(tmp_path, "too/deep/by/one", head())
    write_obj(tmp_path / "shallow.obj", head().mesh.vertices, head().mesh.faces)
    assert NowFolder(tmp_path).ids() == ["A/multiview_neutral/z", "A/selfie/y.2", "B/selfie/x"]
    assert len(NowFolder(tmp_path).read(sample("A/selfie/y.2")).landmarks) == 7


def test_digest_follows_content_and_names(tmp_path: Path) -> None:
    write_prediction(tmp_path / "p", ID, head())
    before = NowFolder(tmp_path / "p").digest()
    assert before == NowFolder(tmp_path / "p").digest()
    np.save(tmp_path / f"p/{ID}.npy", LANDMARKS + 1)
    changed = NowFolder(tmp_path / "p").digest()
    write_prediction(tmp_path / "q", ID.replace("1", "2"), head())
    assert len({before, changed, NowFolder(tmp_path / "q").digest()}) == 3


def test_missing_parts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a folder"):
        NowFolder(tmp_path / "gone")
    write_prediction(tmp_path, ID, head(), landmarks="")
    predictions = NowFolder(tmp_path)
    with pytest.raises(DataError, match=r"IMG_1\.obj has no landmarks beside it"):
        predictions.read(sample(ID))
    with pytest.raises(DataError, match="no mesh for A/selfie/IMG_2"):
        predictions.read(sample("A/selfie/IMG_2"))


@pytest.mark.parametrize("name", ["../secret/selfie/x", "/etc/selfie/x", "A/../A/selfie/IMG_1"])
def test_an_id_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    write_prediction(tmp_path / "p", ID, head())
    write_prediction(tmp_path, "secret/selfie/x", head())
    with pytest.raises(DataError, match="no mesh for"):
        NowFolder(tmp_path / "p").read(sample(name))


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    mark = tmp_path / "loaded"
    np.save(tmp_path / "object.npy", np.array([Trap(mark)], dtype=object), allow_pickle=True)
    (tmp_path / "bare.npy").write_bytes(pickle.dumps(Trap(mark)))
    np.savez(tmp_path / "archive.npz", LANDMARKS)
    (tmp_path / "archive.npz").rename(tmp_path / "archive.npy")
    for name in ("object", "bare", "archive"):
        with pytest.raises(
            DataError, match=rf"{name}\.npy is not a plain array of numbers \(a pickle is never loaded\)"
        ):
            read_landmarks(tmp_path / f"{name}.npy")
    assert not mark.exists()


def test_a_header_that_promises_too_much(tmp_path: Path) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        promise = {"descr": "<f8", "fortran_order": False, "shape": (7_000_000_000_000, 3)}
        np.lib.format.write_array_header_1_0(file, promise)
        file.write(LANDMARKS.tobytes())
    with pytest.raises(DataError, match="not a plain array"):
        read_landmarks(tmp_path / "a.npy")


def test_a_header_that_does_not_end(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", LANDMARKS)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"}", b" "))
    with pytest.raises(DataError, match="not a plain array"):
        read_landmarks(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (LANDMARKS[:6], r"shape \(6, 3\), expected \(7, 3\)"),
        (np.zeros((68, 3)), r"shape \(68, 3\)"),
        (LANDMARKS.reshape(3, 7), r"shape \(3, 7\)"),
        (np.zeros((2, 7, 3)), r"shape \(2, 7, 3\)"),
        (np.where(np.eye(7, 3, dtype=bool), np.nan, LANDMARKS), "not finite"),
        (LANDMARKS.astype(complex), "it holds complex128"),
        (LANDMARKS.astype(str), "it holds <U"),
    ],
)
def test_wrong_arrays(tmp_path: Path, values: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(DataError, match=message):
        read_landmarks(tmp_path / "a.npy")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00v\x00{'descr'"])
def test_cut_arrays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(DataError, match="not a plain array"):
        read_landmarks(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not seven lines of three numbers"),
        ("1 2 3\n" * 6, r"shape \(6, 3\)"),
        ("1 2\n" * 7, "not seven lines of three numbers"),
        ("1 2 3\n" * 6 + "1 2 3 4\n", "not seven lines of three numbers"),
        ("1 2 x\n" * 7, "not seven lines of three numbers"),
        ("1 2 nan\n" * 7, "not finite"),
    ],
)
def test_wrong_text(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.txt").write_text(text, "utf-8")
    with pytest.raises(DataError, match=message):
        read_landmarks(tmp_path / "a.txt")


def test_damaged_meshes_are_named(tmp_path: Path) -> None:
    write_prediction(tmp_path, ID, head())
    (tmp_path / f"{ID}.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 nan\nf 1 2 3\n", "utf-8")
    with pytest.raises(DataError, match=r"IMG_1\.obj has 1 vertices that are not finite"):
        NowFolder(tmp_path).read(sample(ID))
