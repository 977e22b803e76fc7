"""One picture to one crop: where things lie in it, by hand, and which face is taken."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from facebench.errors import DataError, UsageError
from facebench.images import decode_image, decode_label_map
from pretrain.prepare.crops import Maker, upright_crop
from pretrain.prepare.faces import choose, parse_faces
from pretrain.prepare.items import Item, Made, Rejected, Span
from pretrain.prepare.options import Options

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255))
POINTS = [[130, 110], [190, 110], [160, 140], [140, 170], [180, 170]]


@pytest.fixture
def item(tmp_path: Path):
    """A picture of 400 x 300 with a coloured disc at each of five points of one face, 120 pixels wide."""

    def make(**record: object) -> Item:
        image = np.full((300, 400, 3), 40, np.uint8)
        for colour, (x, y) in zip(COLOURS, POINTS, strict=True):
            cv2.circle(image, (x, y), 6, colour, -1)
        cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
        face = {"box": [100, 80, 220, 200], "landmarks": POINTS, "score": 0.95}
        (tmp_path / "a.json").write_text(json.dumps(record or {"faces": [face]}))
        return Item("a.png", "a", Span(tmp_path / "a.png"), Span(tmp_path / "a.json"))

    return make


def test_a_crop_and_its_points_are_where_arithmetic_puts_them(item):
    made = Maker(Options(), None, leaks=False)(item())
    assert isinstance(made, Made)
    # Side 1.5 x 120 = 180 about (160, 140): 256 / 180 crop pixels a pixel, and the centre is at 127.5.
    expected = (np.array(POINTS) - [160, 140]) * 256 / 180 + 127.5
    np.testing.assert_allclose(made.points, expected, atol=1e-9)
    pixels = decode_image(made.jpeg, "crop")
    assert pixels.shape == (256, 256, 3)
    for (x, y), colour in zip(np.round(made.points).astype(int), COLOURS, strict=True):
        assert np.abs(pixels[y, x].astype(int) - colour).max() < 60  # JPEG thins out colour


def test_an_upright_crop_puts_the_points_onto_the_template(item):
    turn = np.radians(30)
    face = np.array([[-60, -60], [60, -60], [0, 0], [-36, 74.4], [36, 74.4]])  # the template about its nose
    points = 0.7 * face @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + [210, 150]
    crop = upright_crop(points, 128)
    # A quarter of the canvas of 512, edge to edge: 196 lies at (196 + 0.5) / 4 - 0.5.
    expected = (np.array([[196, 226], [316, 226], [256, 286], [220, 360.4], [292, 360.4]]) + 0.5) / 4 - 0.5
    np.testing.assert_allclose(crop.to_crop(points), expected, atol=1e-9)
    assert crop.scale == pytest.approx(0.7 * 4)
    mixed = Maker(Options(align="similarity"), None, leaks=False)(item())
    assert np.abs(mixed.points[:2, 1] - mixed.points[:2, 1].mean()).max() < 1e-9  # eyes level


def test_swapped_eyes_and_mouth_do_not_mirror_a_picture(item):
    face = {"box": [100, 80, 220, 200], "landmarks": [POINTS[i] for i in (1, 0, 2, 4, 3)], "score": 1}
    made = Maker(Options(align="similarity"), None, leaks=False)(item(faces=[face]))
    assert isinstance(made, Rejected)
    assert made.reason == "landmarks"


def test_a_face_without_landmarks_is_cropped_by_its_box_whatever_the_alignment(item):
    record = {"faces": [{"box": [100, 80, 220, 200]}]}
    upright, turned = (Maker(Options(align=a), None, leaks=False)(item(**record)) for a in ("box", "similarity"))
    assert upright.points is None
    assert upright.jpeg == turned.jpeg


def test_a_whole_picture_keeps_its_frame_and_the_points_of_its_face(item):
    made = Maker(Options(whole=True, size=400), None, leaks=False)(item())
    np.testing.assert_allclose(made.points, np.add(POINTS, [0, 50]), atol=1e-9)  # black above and below


def test_a_label_map_goes_the_way_of_the_picture(item, tmp_path):
    labels = np.zeros((300, 400), np.uint8)
    labels[80:200, 100:220] = 1
    cv2.imwrite(str(tmp_path / "labels.png"), labels)
    one = item()
    one = Item(one.source, one.key, one.picture, one.sidecar, parsing=Span(tmp_path / "labels.png"))
    seg = decode_label_map(Maker(Options(), None, leaks=False)(one).seg, "seg", 11)
    assert seg.shape == (256, 256)
    # 120 of 180 pixels, in the middle: a margin of 30 x 256 / 180 = 42.7 pixels.
    assert seg[43:213, 43:213].all()
    assert not seg[:42].any()
    cv2.imwrite(str(tmp_path / "labels.png"), labels[:-1])
    small = Maker(Options(), None, leaks=False)(one)
    assert small.reason == "parsing"
    assert "400 x 299 pixels, its picture 400 x 300" in small.detail


def test_the_largest_certain_face_is_taken_and_a_small_one_is_none():
    record = {"faces": [{"box": [0, 0, 300, 300], "score": 0.9}, {"box": [0, 0, 120, 110], "score": 0.91},
                        {"box": [0, 0, 200, 105], "score": 0.95}]}  # fmt: skip
    faces = parse_faces(json.dumps(record).encode(), 400, 400)
    assert choose(faces, min_score=0.9, min_side=100).box == (0, 0, 200, 105)
    assert choose(faces, min_score=0.9, min_side=106)[0] == "small"  # the largest is taken, not the next that fits
    assert choose(faces, min_score=0.99, min_side=1)[0] == "low-score"
    assert choose((), min_score=0.9, min_side=1)[0] == "no-face"


def test_boxes_of_a_larger_copy_are_brought_to_the_picture():
    record = {"width": 800, "height": 400, "faces": [{"box": [80, 40, 160, 200], "landmarks": list(range(10))}]}
    (face,) = parse_faces(json.dumps(record).encode(), 400, 200)
    assert face.box == (40, 20, 80, 100)
    np.testing.assert_array_equal(face.points, np.arange(10).reshape(5, 2) / 2)
    assert face.score == 1


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"\xff", b'{"faces": 3}', b'{"faces": [3]}', b'{"faces": [{"box": [1, 2, 3]}]}',
        b'{"faces": [{"box": [1, 2, 1, 5]}]}', b'{"faces": [{"box": [1, 2, NaN, 5]}]}',
        b'{"faces": [{"box": [0, 0, 1e300, 1]}]}', b'{"faces": [{"box": ["a", 0, 1, 1]}]}',
        b'{"faces": [{"box": [0, 0, 9, 9], "landmarks": [1, 2, 3]}]}',
        b'{"faces": [{"box": [0, 0, 9, 9], "landmarks": [[1, 1], [1, 1], [1, 1], [1, 1], [1, 1]]}]}',
        b'{"faces": [{"box": [0, 0, 9, 9], "landmarks": [[1, 1], [2]]}]}',
        b'{"faces": [{"box": [0, 0, 9, 9], "score": null}]}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_record_that_makes_no_sense_is_a_value_error(text):
    with pytest.raises(ValueError):
        parse_faces(text, 100, 100)


@pytest.mark.parametrize("bad", [{"size": 8}, {"scale": 0}, {"per_shard": 0}, {"whole": True, "align": "similarity"}])
def test_options_that_make_no_sense_are_refused(bad):
    with pytest.raises(UsageError):
        Options(**bad)


def test_a_span_says_what_is_wrong(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    assert Span(tmp_path / "a", 2, 3).read() == b"234"
    with pytest.raises(DataError, match="cut off"):
        Span(tmp_path / "a", 8, 3).read()
    with pytest.raises(DataError, match="No such file"):
        Span(tmp_path / "b").read()
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(DataError, match="more than"):
        Span(tmp_path / "huge").read()
