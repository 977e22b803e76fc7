"""2D-FAN as a method: never without its weights, by its real call, scored through `score`."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from facebench.cli import execute
from facebench.datasets.w300 import DATASET
from facebench.errors import DataError
from facebench.fan import WEIGHTS, Fan, overlap, predict
from facebench.framing import Framing
from facebench.images import read_image
from tests.drawn_faces import write_300w

face_alignment = pytest.importorskip("face_alignment")


@pytest.fixture
def data(tmp_path):
    return write_300w(tmp_path / "data", train=2, val=2, test=4)


class Library:
    """Stands for the network: points on the diagonal of the box it is given; finds faces where it is told to."""

    boxes: tuple = ()

    def __init__(self, kind, *, device, compile):  # noqa: A002  (the library's word)
        assert kind == face_alignment.LandmarksType.TWO_D
        self.face_detector = self

    def get_landmarks_from_image(self, image, detected_faces):
        ((x0, y0, x1, y1, _),) = detected_faces
        return [np.linspace((x0, y0), (x1, y1), 68).astype(np.float32)]

    def detect_from_image(self, image):
        return list(self.boxes)


@pytest.fixture
def library(tmp_path, monkeypatch):
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    for name in WEIGHTS:
        (folder / name).write_bytes(b"")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(face_alignment, "FaceAlignment", Library)
    monkeypatch.setattr(Library, "boxes", ())
    return Library


def test_the_library_takes_the_call_that_is_made():
    real = inspect.signature(face_alignment.FaceAlignment.get_landmarks_from_image).parameters
    assert "detected_faces" in real
    assert "compile" in inspect.signature(face_alignment.FaceAlignment.__init__).parameters or True in {
        p.kind is p.VAR_KEYWORD for p in inspect.signature(face_alignment.FaceAlignment.__init__).parameters.values()
    }


def test_without_weights_nothing_is_begun(tmp_path, monkeypatch, data, capsys):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(face_alignment, "FaceAlignment", lambda *_, **__: pytest.fail("would download"))
    assert execute(["predict", "fan", "300w", "--data", str(data), "-o", str(tmp_path / "fan.npz")]) == 3
    assert f"fan needs the weights of face-alignment, and {WEIGHTS[0]} and" in capsys.readouterr().err


def test_predictions_are_scored(tmp_path, library, data, capsys):
    out = tmp_path / "fan.npz"
    assert execute(["predict", "fan", "300w", "--data", str(data), "-o", str(out)]) == 0
    samples = DATASET.samples(data, "test")
    with np.load(out) as file:
        assert list(file["ids"]) == [s.id for s in samples]
        box = Framing("gt", 1.0, 1).box_of(samples[0])
        np.testing.assert_allclose(file["points"][0][[0, -1]], [box[:2], box[2:]], rtol=1e-5)
    assert execute(["score", "300w", str(out), "--data", str(data)]) == 0
    assert "fan" in capsys.readouterr().out


def test_the_detected_face_is_the_one_that_overlaps(tmp_path, library, data):
    sample = DATASET.samples(data, "test")[0]
    x0, y0, x1, y1 = Framing("gt", 1.0, 1).box_of(sample)
    near, far = [x0 - 2, y0 - 2, x1 + 2, y1 + 2, 0.9], [x1 + 10, y1 + 10, x1 + 30, y1 + 30, 0.99]
    library.boxes = (far, near)
    image, fan = read_image(sample.image), Fan()
    np.testing.assert_allclose(predict(fan, DATASET, sample, image, "detected")[0], near[:2], rtol=1e-5)
    library.boxes = (far,)
    with pytest.raises(DataError, match=f"{sample.id}: no detected face overlaps"):
        predict(fan, DATASET, sample, image, "detected")


def test_faces_that_are_not_found_are_left_out_and_named(tmp_path, library, data, capsys):
    samples = DATASET.samples(data, "test")
    library.boxes = ([*Framing("gt", 1.0, 1).box_of(samples[0]), 0.9],)
    out = tmp_path / "fan.npz"
    code = execute(["predict", "fan", "300w", "--data", str(data), "--box", "detected", "-o", str(out)])
    said = capsys.readouterr().err
    with np.load(out) as file:
        lost = len(samples) - len(file["ids"])
    assert code == 0
    assert said.count("not found: ") == lost
    assert ("--allow-missing" in said) == (lost > 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["wflw", "--data", "x", "-o", "fan.npz"], "68 points of iBUG"),
        (["300w", "-o", "fan.npz"], "--data DIR"),
        (["300w", "--data", "x", "-o", "fan.json"], "no .npz file"),
    ],
)
def test_what_it_cannot_do_is_refused(words, message, capsys, monkeypatch):
    monkeypatch.delenv("FACEBENCH_DATA", raising=False)
    assert execute(["predict", "fan", *words]) == 2
    assert message in capsys.readouterr().err


def test_overlap_by_hand():
    assert overlap((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert overlap((0, 0, 1, 1), (2, 2, 3, 3)) == 0.0
    assert overlap((0, 0, 4, 2), (0, 0, 4, 2)) == 1.0
