"""Real heads of other topologies and units through the doctor and the score: FLAME, ICT FaceKit, a public scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.datasets.now import DATASET
from facebench.geometry.mesh_io import read_mesh
from facebench.metrics.scan import aggregate, scan_distances
from facebench.now_doctor import examine
from facebench.types import Mesh, Scan
from tests.datasets.now_tree import write_prediction, write_val
from tests.evaluators.test_reconstruction import flame_head, real_scan

NOW_OF_68 = [36, 39, 42, 45, 33, 48, 54]

# Picked by eye on a frontal view of the scan, in its own unit.
PICKED = [[-1.009, 1.645], [-0.418, 1.709], [0.209, 1.709], [0.8, 1.636], [-0.109, 0.9], [-0.5, 0.4], [0.336, 0.418]]


def ict_head(shared_data: Path) -> Scan:
    """ICT FaceKit's neutral head: quads, centimetres, 26,719 vertices."""
    with np.load(shared_data / "ict_facekit/ict_facekit_light_compact.npz", allow_pickle=False) as file:
        vertices, quads, landmarks = (file[k].astype(float if k == "neutral" else np.int64)
                                      for k in ("neutral", "faces", "landmarks68"))  # fmt: skip
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return Scan(Mesh(vertices, faces), vertices[landmarks[NOW_OF_68]])


def lee_perry_smith(shared_data: Path) -> Scan:
    """The three.js sample scan: 9,223 vertices, a unit of its own."""
    mesh = read_mesh(shared_data / "lee_perry_smith/LeePerrySmith_decoded.obj")
    front = np.where(mesh.vertices[:, 2] > 0.5, 0, 1e3)
    nearest = [int((np.linalg.norm(mesh.vertices[:, :2] - p, axis=1) + front).argmin()) for p in PICKED]
    return Scan(mesh, mesh.vertices[nearest])


HEADS = {"flame": flame_head, "ict": ict_head, "smith": lee_perry_smith}


@pytest.mark.parametrize(
    ("name", "unit"), [("flame", "looks like m"), ("ict", "looks like cm"), ("smith", "no usual unit")]
)
def test_the_doctor_knows_their_units_and_finds_no_fault(tmp_path, shared_data, name, unit):
    write_val(tmp_path / "NoW", {"real": real_scan(shared_data)}, ["real/selfie/IMG_1.jpg"])
    write_prediction(tmp_path / "predicted", "real/selfie/IMG_1", HEADS[name](shared_data))
    found = {t.what: t for t in examine(tmp_path / "predicted", DATASET.samples(tmp_path, "val"))}
    assert not [t for t in found.values() if t.severity == "fault"]
    assert unit in found["not in millimetres"].detail


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADS)
def test_both_modes_agree_on_them(shared_data, name):
    scan, head = real_scan(shared_data), HEADS[name](shared_data)
    reference, converged = (aggregate([scan_distances(scan, head, mode=m)]) for m in ("reference", "converged"))
    print(name, reference, converged)
    assert 1 < converged.median < 3  # strangers; published methods reach 1
    for statistic in ("median", "mean", "std"):
        assert getattr(converged, statistic) == pytest.approx(getattr(reference, statistic), abs=5e-3)
