"""Views of the test pictures: what they change, by how much, and that predictions come back from them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from facebench.errors import UsageError
from facebench.framing import Framing
from facebench.images import read_image
from facebench.plan import Request, plan
from facebench.protocols.linear_landmarks import from_unit
from facebench.record import parse_signature
from facebench.registry import Registry
from facebench.run import run
from facebench.types import Landmarks, Sample
from facebench.views import CHANGES, GEOMETRIC, TURNS, View, ViewedFraming, read_view
from tests.drawn_faces import draw, write_300w


@pytest.fixture
def sample(tmp_path):
    face = draw(3)
    cv2.imwrite(str(tmp_path / "face.png"), face.image[..., ::-1])
    return Sample("a/face 3", tmp_path / "face.png", None, Landmarks(face.points))


def seen(view, size=64):
    return ViewedFraming("gt", 1.25, size, read_view(view))


@pytest.mark.parametrize("kind", CHANGES)
def test_a_stronger_change_is_further_from_the_picture(tmp_path, kind):
    far = np.zeros(5)
    for number in range(6):
        face = draw(number)
        cv2.imwrite(str(tmp_path / f"{number}.png"), face.image[..., ::-1])
        sample = Sample(str(number), tmp_path / f"{number}.png", None, Landmarks(face.points))
        plain = Framing("gt", 1.25, 224).show(sample).astype(float)
        far += [((seen(f"{kind}@{s}", 224).show(sample) - plain) ** 2).mean() for s in (1, 2, 3, 4, 5)]
    assert far[0] > 0.1
    assert sorted(far) == list(far)


@pytest.mark.parametrize("view", ["noise@3", "jitter@5", "motion@2", "rotate@4"])
def test_what_is_random_follows_from_the_sample_and_the_view(sample, view):
    np.testing.assert_array_equal(seen(view).show(sample), seen(view).show(sample))
    other = replace(sample, id="another")
    assert not np.array_equal(seen(view).show(sample), seen(view).show(other))


def test_every_size_of_crop_sees_the_same_jitter(sample):
    small, large = seen("jitter@10", 64).crop(sample), seen("jitter@10", 128).crop(sample)
    np.testing.assert_allclose(small.to_image(np.array([-0.5, -0.5])), large.to_image(np.array([-0.5, -0.5])))
    np.testing.assert_allclose(small.to_image(np.array([63.5, 63.5])), large.to_image(np.array([127.5, 127.5])))


def test_jitter_stays_within_its_percent():
    face = Sample("x", None, (10.0, 20.0, 110.0, 120.0), Landmarks(np.zeros((1, 2))))
    framing = ViewedFraming("annotated", 1.0, 100, View("jitter", 10))
    moves, zooms = [], []
    for number in range(500):
        crop = framing.crop(replace(face, id=str(number)))
        moves.append(crop.to_image(np.array([49.5, 49.5])) - (60.0, 70.0))
        zooms.append(crop.scale)
    assert 9.5 < np.abs(moves).max() <= 10.0
    assert (0.9 <= min(zooms) < 0.91, 1.09 < max(zooms) <= 1.1) == (True, True)


def test_scale_and_turn_do_what_they_say():
    face = Sample("x", None, (0.0, 0.0, 100.0, 100.0), Landmarks(np.zeros((1, 2))))
    assert ViewedFraming("annotated", 1.0, 50, View("scale", 80)).crop(face).scale == pytest.approx(1.6)
    angles = []
    for number in range(300):
        matrix = ViewedFraming("annotated", 1.0, 50, View("rotate", 2)).crop(replace(face, id=str(number))).matrix
        angles.append(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))
    assert 0.95 * TURNS[1] < np.abs(angles).max() <= TURNS[1]


@pytest.mark.parametrize("view", ["jitter@10", "rotate@5", "scale@80", "blur@3"])
def test_a_prediction_in_the_crop_comes_back_to_the_picture(sample, view):
    framing = seen(view)
    unit = (framing.crop(sample).to_crop(sample.target.points) + 0.5) / framing.size
    np.testing.assert_allclose(from_unit(unit, sample, framing), sample.target.points)


def test_a_change_of_pixels_moves_nothing(sample):
    np.testing.assert_array_equal(seen("blur@1").crop(sample).matrix, Framing("gt", 1.25, 64).crop(sample).matrix)
    assert str(seen("blur@1")) == "gt*1.25"
    assert str(seen("jitter@5")) == "gt*1.25+jitter@5"


def test_grey_boxes_and_lost_pixels(sample):
    plain = Framing("gt", 1.25, 64).crop(sample).apply(read_image(sample.image))
    changed = (seen("occlude@3").show(sample) != plain).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert 0.17 < (np.ptp(rows) + 1) * (np.ptp(columns) + 1) / 64**2 < 0.23
    small = seen("shrink@1").show(sample)
    assert small.std() < plain.std()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("blurr@3", "blur"),
        ("blur", "strength from 1 to 5"),
        ("blur@6", "strength from 1 to 5"),
        ("jitter@0", "wanted percent"),
        ("scale@-5", "wanted percent"),
    ],
)
def test_what_is_no_view_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        read_view(text)


def _request(data, folder, **changes):
    return Request(("pixels",), ("300w",), data, folder / "runs", device="cpu", cache=folder / "cache", **changes)


def test_views_are_rows_of_their_own_and_the_plain_row_stays_as_it_was(tmp_path):
    data = write_300w(tmp_path / "data", train=12, val=4, test=6)
    plain = run(plan(_request(data, tmp_path / "a"), Registry()))
    planned = plan(_request(data, tmp_path / "b", views=("jitter@10", "blur@5")), Registry())
    rows = {(row.job.subject, str(row.job.seen and row.job.seen.view)): row for row in planned.rows}
    assert rows["pixels", "None"].pictures == 22
    assert rows["pixels", "blur@5"].pictures == 6, "heads are fitted on pictures as they are"
    results = run(planned)
    by_view = {
        (r.subject, parse_signature(r.signature)["box"], parse_signature(r.signature).get("corrupt")): r
        for r in results
    }
    assert len(by_view) == 6
    same = by_view["pixels", "gt*1.25", None]
    assert same.scores == plain[1].scores
    moved, blurred = by_view["pixels", "gt*1.25+jitter@10", None], by_view["pixels", "gt*1.25", "blur@5"]
    key = next(score.key for score in same.scores if score.headline)
    assert moved.score(key).value > same.score(key).value
    assert blurred.score(key).value != same.score(key).value


def test_a_tuned_network_has_no_views(tmp_path):
    data = write_300w(tmp_path / "data", train=12, val=4, test=6)
    with pytest.raises(UsageError, match="views are for frozen backbones"):
        plan(_request(data, tmp_path, views=("blur@1",), protocols=("finetune",)), Registry())


def test_the_table_of_kinds_is_whole():
    from facebench import views

    assert all(f"    {kind}@" in views.__doc__ for kind in (*GEOMETRIC, *CHANGES))
