from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facebench.errors import DataError
from facebench.geometry.head_model import HeadModel
from facebench.heads.model_basis import model_basis
from facebench.heads.shape import fit_basis
from facebench.types import Mesh, Scan

ROWS = 12
RNG = np.random.default_rng(0)
X, Y = np.meshgrid(np.linspace(-80, 80, ROWS), np.linspace(-110, 110, ROWS))
MEAN = np.stack([X, Y, 70 - X**2 / 120 - Y**2 / 300], axis=-1).reshape(-1, 3)  # mm
A = (np.arange(ROWS - 1)[:, None] * ROWS + np.arange(ROWS - 1)).ravel()
FACES = np.concatenate([np.stack([A, A + 1, A + ROWS], 1), np.stack([A + 1, A + ROWS + 1, A + ROWS], 1)])
DIRECTIONS = RNG.normal(size=(3, *MEAN.shape))  # neither orthogonal nor of one length
CORNERS = FACES[[10, 30, 50, 70, 90, 110, 130]]
WEIGHTS = RNG.dirichlet(np.ones(3), size=7)


def _model(unit: float) -> HeadModel:
    """The model in a unit of `unit` mm, in a frame of its own."""
    turn = Rotation.from_euler("xyz", [0.3, -0.8, 0.2]).as_matrix()
    return HeadModel("flame.npz", "0" * 64, (MEAN @ turn + 30) / unit, DIRECTIONS @ turn / unit, FACES)


def _head(coefficients: np.ndarray, seed: int | None = None) -> Scan:
    """A head of the model, mm; its landmarks are carried by its triangles."""
    vertices = MEAN + np.einsum("r,rvd->vd", coefficients, DIRECTIONS)
    if seed is not None:
        vertices = vertices @ Rotation.random(random_state=seed).as_matrix() + seed
    return Scan(Mesh(vertices, FACES), np.einsum("nk,nkd->nd", WEIGHTS, vertices[CORNERS]))


COEFFICIENTS = RNG.normal(size=(9, 3)) + np.array([1, 0, -0.5])
HEADS = [(str(i), _head(c, i)) for i, c in enumerate(COEFFICIENTS)]


def _distances(scan: Scan) -> np.ndarray:
    """All distances within a head: its shape, wherever it stands."""
    points = np.concatenate([scan.mesh.vertices, scan.landmarks])
    return np.linalg.norm(points[:, None] - points[None], axis=2)


@pytest.mark.parametrize("unit", [1.0, 10.0, 1000.0])
def test_heads_of_the_model_come_back_with_their_landmarks(unit: float) -> None:
    basis = model_basis(_model(unit), HEADS)
    np.testing.assert_allclose(basis.components @ basis.components.T, np.eye(3), atol=1e-10)
    for name, head in (*HEADS, ("unseen", _head(np.array([2.0, -1, 1]), 77))):
        back = basis.scan(basis.coefficients(head, name))
        assert np.abs(_distances(back) - _distances(head)).max() < 0.15  # mm, of heads that differ by several


def test_the_centre_is_the_mean_training_head() -> None:
    basis = model_basis(_model(1000.0), HEADS)
    mean = _head(COEFFICIENTS.mean(axis=0))
    assert np.abs(_distances(basis.scan(np.zeros(3))) - _distances(mean)).max() < 0.05
    assert np.abs(np.mean([basis.coefficients(h, n) for n, h in HEADS], axis=0)).max() < 0.5


def test_a_basis_of_the_same_heads_spans_the_same() -> None:
    """Two ways to one space: PCA of the heads, and the model that they are of."""
    ours, theirs = model_basis(_model(10.0), HEADS), fit_basis(HEADS)
    unseen = _head(np.array([0.5, 1.0, -1.0]), 5)
    a, b = (basis.scan(basis.coefficients(unseen, "x")) for basis in (ours, theirs))
    assert np.abs(_distances(a) - _distances(b)).max() < 0.2


def test_a_direction_given_twice_counts_once() -> None:
    model = _model(1.0)
    double = replace(model, directions=np.concatenate([model.directions, model.directions[:1]]))
    assert len(model_basis(double, HEADS).components) == 3


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (Scan(Mesh(MEAN, FACES[::-1]), np.zeros((7, 3))), "in this order; register one to the other"),
        (Scan(Mesh(MEAN[:-1], FACES[:5]), np.zeros((7, 3))), "b has 143 vertices and 5 triangles, and flame.npz 144"),
    ],
)  # fmt: skip
def test_another_topology_is_refused_by_name(head: Scan, message: str) -> None:
    with pytest.raises(DataError, match=message):
        model_basis(_model(1.0), [HEADS[0], ("b", head)])


def test_a_model_of_no_usual_unit_is_refused() -> None:
    with pytest.raises(DataError, match=r"must be scaled by 25\.\d+ .* no usual unit"):
        model_basis(_model(25.4), HEADS)


def test_no_heads_are_refused() -> None:
    with pytest.raises(DataError, match="at least one subject"):
        model_basis(_model(1.0), [])
