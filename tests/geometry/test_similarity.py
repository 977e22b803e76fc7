"""Procrustes against the official outputs, scipy, and its own optimality."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.spatial
from scipy.spatial.transform import Rotation

from facebench.errors import DataError
from facebench.geometry.similarity import fit_similarity

GOLDEN = Path(__file__).parents[1] / "golden" / "protocol_golden.json"
CASES = {case["id"]: case for case in json.loads(GOLDEN.read_text("utf-8"))["cases"]}


@pytest.mark.parametrize("case_id", ["now.procrustes", "now.procrustes.mirror"])
def test_official_outputs(case_id: str) -> None:
    case = CASES[case_id]
    source, expected = np.array(case["inputs"]["Y"]), case["expected"]
    fit = fit_similarity(source, np.array(case["inputs"]["X"]))
    assert fit.scale == pytest.approx(expected["scale"], abs=case["atol"])
    assert fit.disparity == pytest.approx(expected["d"], abs=case["atol"])
    np.testing.assert_allclose(fit.rotation, expected["rotation"], atol=case["atol"])
    np.testing.assert_allclose(fit.translation, expected["translation"], atol=case["atol"])
    if "Z" in expected:
        np.testing.assert_allclose(fit.apply(source), expected["Z"], atol=case["atol"])


def test_hand_case() -> None:
    # A square of side 1, doubled and moved by (1, 2, 3): scale 2, no turn, (0, 0, 0) goes to (1, 2, 3).
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
    fit = fit_similarity(square, 2 * square + [1, 2, 3])
    assert fit.scale == pytest.approx(2)
    np.testing.assert_allclose(fit.apply(square), 2 * square + [1, 2, 3], atol=1e-12)
    np.testing.assert_allclose(fit.apply(np.zeros((1, 3))), [[1, 2, 3]], atol=1e-12)
    assert fit.disparity == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_recovers_a_known_similarity(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(7, 3))
    turn, scale, shift = Rotation.random(random_state=seed).as_matrix(), rng.uniform(0.01, 100), rng.normal(size=3)
    fit = fit_similarity(points, scale * points @ turn + shift)
    assert fit.scale == pytest.approx(scale)
    np.testing.assert_allclose(fit.rotation, turn, atol=1e-12)
    np.testing.assert_allclose(fit.translation, shift, atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(9, 3)) * 30
    source = target @ Rotation.random(random_state=seed).as_matrix() / 50 + rng.normal(size=(9, 3)) * 0.05
    fit = fit_similarity(source, target)
    assert fit.disparity == pytest.approx(scipy.spatial.procrustes(target, source)[2])
    turn, _ = Rotation.align_vectors(target - target.mean(0), source - source.mean(0))
    np.testing.assert_allclose(fit.rotation, turn.as_matrix().T, atol=1e-9)


@pytest.mark.parametrize("scale", [True, False])
def test_no_neighbour_is_better(scale: bool) -> None:
    rng = np.random.default_rng(3)
    source, target = rng.normal(size=(7, 3)), rng.normal(size=(7, 3))
    fit = fit_similarity(source, target, scale=scale)
    best = np.sum((fit.apply(source) - target) ** 2)
    assert best / np.sum((target - target.mean(0)) ** 2) == pytest.approx(fit.disparity)
    assert scale or fit.scale == 1
    for _ in range(200):
        turn = fit.rotation @ Rotation.from_rotvec(rng.normal(size=3) * 0.01).as_matrix()
        factor = fit.scale * rng.uniform(0.99, 1.01) if scale else 1.0
        other = factor * source @ turn + fit.translation + rng.normal(size=3) * 0.01
        assert np.sum((other - target) ** 2) >= best


def test_scale_is_not_the_ratio_of_norms() -> None:
    # trimesh.registration.procrustes takes the ratio of the norms; the least-squares scale is smaller under noise.
    rng = np.random.default_rng(4)
    source = rng.normal(size=(7, 3))
    target = source + rng.normal(size=(7, 3)) * 0.5
    ratio = np.linalg.norm(target - target.mean(0)) / np.linalg.norm(source - source.mean(0))
    assert fit_similarity(source, target).scale < 0.98 * ratio


def test_points_of_a_picture_by_hand() -> None:
    # A quarter turn, twice the size, moved by (10, -5): (x, y) to (10 - 2 y, 2 x - 5).
    source = np.array([[0.0, 0.0], [3.0, 1.0], [-2.0, 4.0], [1.0, -1.0]])
    target = np.stack([10 - 2 * source[:, 1], 2 * source[:, 0] - 5], axis=1)
    found = fit_similarity(source, target)
    assert found.scale == pytest.approx(2)
    np.testing.assert_allclose(found.apply(source), target, atol=1e-12)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (np.zeros((7, 3)), np.eye(7, 3), "one place"),
        (np.eye(7, 3), np.ones((7, 3)), "one place"),
        (np.eye(7, 3), np.eye(6, 3), "shape"),
        (np.eye(7, 4), np.eye(7, 4), "shape"),
        (np.eye(7, 2), np.eye(7, 3), "shape"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "shape"),
        (np.full((7, 3), np.nan), np.eye(7, 3), "not finite"),
        (np.eye(7, 3), np.full((7, 3), np.inf), "not finite"),
    ],
)
def test_bad_input(source: np.ndarray, target: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_similarity(source, target)
