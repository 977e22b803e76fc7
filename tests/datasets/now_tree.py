"""Writers of NoW's official layout, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facebench.types import Scan


def write_obj(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in np.asarray(vertices, dtype=float).tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (np.asarray(faces) + 1).tolist()]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def write_pp(path: Path, landmarks: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = (
        "<!DOCTYPE PickedPoints>\n<PickedPoints>\n <DocumentData>\n"
        '  <DateTime date="2018-01-01" time="00:00:00"/>\n  <User name="x"/>\n  <DataFileName name="scan.obj"/>\n'
        '  <templateName name=""/>\n </DocumentData>\n'
    )
    points = [
        f' <point active="1" name="{k}" x="{x!r}" y="{y!r}" z="{z!r}"/>\n'
        for k, (x, y, z) in enumerate(np.asarray(landmarks, dtype=float).tolist())
    ]
    path.write_text(header + "".join(points) + "</PickedPoints>\n", "utf-8")


def write_val(root: Path, scans: dict[str, Scan], entries: Sequence[str]) -> None:
    """The validation part: list, scans and landmarks; no pictures, which nothing opens."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "imagepathsvalidation.txt").write_text("".join(f"{e}\n" for e in entries), "utf-8")
    for subject, scan in scans.items():
        write_obj(root / "scans" / subject / f"{subject}.obj", scan.mesh.vertices, scan.mesh.faces)
        write_pp(root / "scans_lmks_onlypp" / subject / f"{subject}.pp", scan.landmarks)


def write_prediction(folder: Path, sample_id: str, scan: Scan, *, mesh: str = ".obj", landmarks: str = ".npy") -> None:
    path = folder / f"{sample_id}{mesh}"
    if mesh == ".obj":
        write_obj(path, scan.mesh.vertices, scan.mesh.faces)
    else:
        import trimesh

        path.parent.mkdir(parents=True, exist_ok=True)
        whole = trimesh.Trimesh(scan.mesh.vertices, scan.mesh.faces, process=False)
        path.write_bytes(trimesh.exchange.ply.export_ply(whole))
    if landmarks == ".npy":
        np.save(path.with_suffix(".npy"), scan.landmarks)
    elif landmarks == ".txt":
        rows = ("{!r} {!r} {!r}".format(*row) for row in scan.landmarks.tolist())
        path.with_suffix(".txt").write_text("\n".join(rows) + "\n", "utf-8")
