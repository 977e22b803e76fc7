"""A tiny 300W in its official layout, and predictions for it whose scores are known by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

# Five faces: three common, two challenge. The outer eye corners are 100 px apart.
FACES = ("helen/testset/a", "helen/testset/b", "lfpw/testset/c", "ibug/d", "ibug/e")


def face_points() -> np.ndarray:
    """(68, 2) points, 0-based, whose eye corners (36, 45) lie 100 px apart."""
    rng = np.random.default_rng(3)
    points = np.round(rng.uniform(20, 180, size=(68, 2)), 3)
    points[36], points[45] = (50, 80), (150, 80)
    return points


@pytest.fixture(autouse=True)
def _no_leftovers(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FACEBENCH_DATA", raising=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Data root with 300W/ in it; .pts files are 1-based."""
    for face in FACES:
        path = tmp_path / "data" / "300W" / f"{face}.pts"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = "\n".join(f"{x + 1:.6f} {y + 1:.6f}" for x, y in face_points())
        path.write_text(f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n")
    return tmp_path / "data"


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """Every point of face i is i + 1 px off: NME 1, 2, 3, 4 and 5 % of the 100 px between the eye corners."""
    shifts = [np.array([i + 1.0, 0.0]) for i in range(len(FACES))]
    path = tmp_path / "predictions.npz"
    np.savez(path, ids=np.array(FACES), points=np.stack([face_points() + s for s in shifts]))
    return path
