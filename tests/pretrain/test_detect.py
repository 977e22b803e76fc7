"""Detection by face-alignment: never without its weights, and by its real call where they are."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from facebench.errors import DataError, UsageError
from facebench.fan import WEIGHTS
from pretrain.prepare.crops import Maker
from pretrain.prepare.detect import Detector
from pretrain.prepare.items import Item, Span
from tests.drawn_faces import draw
from tests.pretrain.made_sources import SMALL, box_of, png

face_alignment = pytest.importorskip("face_alignment")


@pytest.fixture
def torch_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


def test_without_weights_it_says_where_it_looked_and_begins_nothing(torch_home, monkeypatch):
    monkeypatch.setattr(face_alignment, "FaceAlignment", lambda *_, **__: pytest.fail("would download"))
    with pytest.raises(DataError, match=r"s3fd-619a316812.pth and 2DFAN4-11f355bf06.pth.tar are not in") as caught:
        Detector()
    assert str(torch_home) in str(caught.value)
    torch_home.mkdir(parents=True)
    (torch_home / WEIGHTS[0]).write_bytes(b"")
    with pytest.raises(DataError, match=r"and 2DFAN4-11f355bf06.pth.tar is not in"):
        Detector()


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "face_alignment", None)
    with pytest.raises(UsageError, match=r"pip install 'facebench\[detect\]'"):
        Detector()


def test_the_names_are_those_that_the_library_asks_for():
    from face_alignment import api
    from face_alignment.detection.sfd import sfd_detector

    asked = (sfd_detector.models_urls["s3fd"], api.models_urls["2DFAN-4"])
    assert tuple(url.rpartition("/")[2] for url in asked) == WEIGHTS


def test_what_the_library_finds_becomes_faces(torch_home, monkeypatch):
    face = draw(3)

    class Found:
        def __init__(self, kind, **options):
            assert (kind, options) == (face_alignment.LandmarksType.TWO_D, {"device": "cpu", "compile": False})

        def get_landmarks_from_image(self, image, return_bboxes):
            assert image.shape == (96, 96, 3)
            assert return_bboxes
            if image.mean() < 1:
                return None, None, None
            box = np.array([*box_of(face.points), 0.97], dtype=np.float32)
            return [face.points.astype(np.float32)], None, [box]

    torch_home.mkdir(parents=True)
    for name in WEIGHTS:
        (torch_home / name).write_bytes(b"")
    monkeypatch.setattr(face_alignment, "FaceAlignment", Found)
    detector = Detector()
    (found,) = detector.faces(face.image)
    np.testing.assert_allclose(found.points, face.points, atol=1e-4)
    assert (found.score, found.box) == (pytest.approx(0.97), pytest.approx(tuple(box_of(face.points)), abs=1e-4))
    assert detector.faces(np.zeros((96, 96, 3), np.uint8)) == ()


@pytest.mark.slow
def test_the_real_networks_run_on_weights_that_lie_there(torch_home, tmp_path, monkeypatch):
    # Weights of no training: what is found means nothing, but every call into the library is the real one.
    import torch
    from face_alignment.detection.sfd.net_s3fd import s3fd
    from face_alignment.models import FAN

    torch_home.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(s3fd().state_dict(), torch_home / WEIGHTS[0])
    torch.save(FAN(4).state_dict(), torch_home / WEIGHTS[1])
    detector = Detector()
    finder = detector._network.face_detector
    finder.filter_threshold = 0.0
    find = finder.detect_from_image
    monkeypatch.setattr(finder, "detect_from_image", lambda image: find(image)[:2])  # it finds a face in every corner
    faces = detector.faces(draw(3).image)
    assert len(faces) == 2
    assert all(face.points.shape == (68, 2) and np.isfinite(face.points).all() for face in faces)
    (tmp_path / "a.png").write_bytes(png(draw(3).image))
    made = Maker(SMALL, detector, leaks=False)(Item("a.png", "a", Span(tmp_path / "a.png")))
    assert made.source == "a.png"
