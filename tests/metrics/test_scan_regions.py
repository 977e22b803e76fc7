"""Regions of a face from its landmarks: where they lie, and that no frame or size moves them."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from facebench.metrics.scan_regions import REGIONS, face_regions

LANDMARKS = np.array(
    [[-45, 30, 0], [-18, 30, 5], [18, 30, 5], [45, 30, 0], [0, -15, 25], [-25, -45, 5], [25, -45, 5.0]]
)
PLACES = {
    "nose": [[0, 0, 20], [12, -8, 15]],
    "mouth": [[0, -45, 8], [-25, -45, 5], [0, -30, 8]],
    "forehead": [[0, 75, 5], [-40, 80, 0]],
    "cheeks": [[45, -15, 0], [-50, -10, -5]],
}


def test_known_places_lie_in_their_regions() -> None:
    for name, places in PLACES.items():
        found = face_regions(np.array(places, dtype=float), LANDMARKS)
        assert {k for k in REGIONS if found[k].any()} == {name}
        assert found[name].all()


def test_eyes_lie_in_none() -> None:
    found = face_regions(LANDMARKS[:4], LANDMARKS)
    assert not any(mask.any() for mask in found.values())


def test_frame_and_size_do_not_matter_and_no_vertex_counts_twice() -> None:
    points = np.random.default_rng(0).uniform([-70, -100, -10], [70, 110, 30], (3000, 3))
    turn = Rotation.random(random_state=1).as_matrix()
    here, there = face_regions(points, LANDMARKS), face_regions(3 * points @ turn + 7, 3 * LANDMARKS @ turn + 7)
    for name in REGIONS:
        assert here[name].any()
        np.testing.assert_array_equal(here[name], there[name])
    assert np.sum([here[name] for name in REGIONS], axis=0).max() == 1
