"""Time of a NoW image: this project's fit, the same Gauss-Newton loop on libigl's tree, and trimesh's ICP beside it.

    pip install libigl rtree matplotlib    # the peers and the plot; for this script alone, never dependencies
    python benchmarks/now.py               # a synthetic head: 120,000 vertices, a prediction of 10,000 triangles
    python benchmarks/now.py --scan scan.obj --landmarks scan.pp --prediction mesh.obj --prediction-landmarks mesh.npy
    python benchmarks/now.py --plot growth.svg

What is timed is one image: parsing the prediction, alignment to the minimum, distances. The scan is parsed and cropped
once a subject for both. The peer is given every advantage but the tree: this project's parser (three times faster than
libigl's own), start and stopping rule, points taken into the frame of the mesh so that its tree is built once. CPU time
of one thread, medians of rounds in which the two alternate; then all cores, by threads over images.
"""

# ruff: noqa: E402  (numpy reads the number of threads when it is imported)

from __future__ import annotations

import argparse
import os
import statistics
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # threads are over images

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from facebench.geometry.mesh_io import read_mesh
from facebench.geometry.picked_points import read_picked_points
from facebench.geometry.similarity import fit_similarity
from facebench.metrics.scan import face_scan, fit_prediction
from facebench.metrics.scan_converge import CLOSE, Motion
from facebench.now_predictions import read_landmarks
from facebench.synth.layouts.meshes import obj_text
from facebench.synth.scan import neutral_mesh
from facebench.types import Mesh, Scan

TOLERANCE = 1e-3  # mm; what the protocol's own stopping rule moves


def dense(mesh: Mesh, wanted: int) -> Mesh:
    """The mesh with about `wanted` vertices: edges cut at their middles, then the largest triangles at theirs."""
    vertices, faces = mesh.vertices, mesh.faces
    while len(vertices) * 4 <= wanted * 1.1:
        edges, inverse = np.unique(
            np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0, return_inverse=True
        )
        middle = inverse.reshape(-1, 3) + len(vertices)
        (a, b, c), (ab, bc, ca) = faces.T, middle.T
        vertices = np.concatenate([vertices, vertices[edges].mean(axis=1)])
        faces = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))])
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    largest = np.argsort(-area)[: max(0, wanted - len(vertices))]
    return Mesh(np.concatenate([vertices, corners[largest].mean(axis=1)]), faces)


def synthetic_scan(vertices: int) -> Scan:
    head = neutral_mesh(3)
    mesh = dense(Mesh(head.vertices, head.faces), vertices)
    noise = np.random.default_rng(0).normal(scale=0.05, size=mesh.vertices.shape)
    return Scan(Mesh(mesh.vertices + noise, mesh.faces), head.landmarks)


def synthetic_prediction(triangles: int) -> Scan:
    """Another head, decimated, in metres."""
    import igl

    head = neutral_mesh(5)
    mesh = (
        dense(Mesh(head.vertices, head.faces), triangles)
        if triangles > len(head.faces)
        else Mesh(head.vertices, head.faces)
    )
    vertices, faces, *_ = igl.decimate(mesh.vertices, mesh.faces, triangles)
    return Scan(Mesh(vertices / 1000, faces.astype(np.int64)), head.landmarks / 1000)


def ours(scan: Scan, mesh: Path, landmarks: np.ndarray) -> np.ndarray:
    return fit_prediction(scan, Scan(read_mesh(mesh), landmarks), mode="converged").distances


def libigl_loop(scan: Scan, mesh: Path, landmarks: np.ndarray) -> np.ndarray:
    """Gauss-Newton on all vertices with libigl's tree, as one writes it with numpy."""
    import igl

    face, prediction = face_scan(scan), read_mesh(mesh)
    start = fit_similarity(landmarks, face.landmarks)
    vertices = start.apply(prediction.vertices) - face.sphere.centre
    points = face.crop.mesh.vertices - face.sphere.centre
    tree = igl.AABB()
    tree.init(vertices, prediction.faces)
    motion = Motion(1.0, np.eye(3), np.zeros(3))
    while True:
        moved = motion.shrink * points @ motion.turn.T + motion.shift
        squares, _, closest = tree.squared_distance(vertices, prediction.faces, moved)
        distances = np.sqrt(squares)
        normals = (moved - closest) / np.maximum(distances, 1e-300)[:, None]
        rows = np.column_stack([-(normals * closest).sum(axis=1), np.cross(moved, normals), normals])
        slope = -rows.T @ distances
        step = np.linalg.lstsq(rows.T @ rows, slope, rcond=None)[0]
        if slope @ step <= CLOSE * squares.sum():
            return distances / motion.shrink
        motion = motion.moved(step)


def trimesh_icp(scan: Scan, mesh: Path, landmarks: np.ndarray) -> np.ndarray:
    """What trimesh offers: ten iterations of point to point, another and looser minimum."""
    import trimesh

    face, prediction = face_scan(scan), read_mesh(mesh)
    vertices = fit_similarity(landmarks, face.landmarks).apply(prediction.vertices)
    target = trimesh.Trimesh(vertices, prediction.faces, process=False)
    _, moved, _ = trimesh.registration.icp(face.crop.mesh.vertices, target, max_iterations=10)
    _, distances, _ = trimesh.proximity.closest_point(target, moved)
    return distances


def cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def alternate(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(cpu(work))
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def check(mine: np.ndarray, theirs: np.ndarray) -> None:
    for name in ("median", "mean", "std"):
        gap = abs(getattr(np, name)(mine) - getattr(np, name)(theirs))
        assert gap < TOLERANCE, f"the {name}s differ by {gap:.2g} mm"
    print(
        f"equal: median {np.median(mine):.6f} and {np.median(theirs):.6f}, mean {mine.mean():.6f} and "
        f"{theirs.mean():.6f} mm; largest difference of a vertex {np.abs(mine - theirs).max():.1g} mm"
    )


def rate(work: Callable[[], object], workers: int, images: int) -> float:
    """Images a second of wall time."""
    start = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda _: work(), range(images)))
    return images / (time.perf_counter() - start)


def growth(path: Path, folder: Path, rounds: int) -> None:
    """Plot time over scan size and over triangles."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True, constrained_layout=True)
    scan, prediction = synthetic_scan(120_000), synthetic_prediction(10_000)
    panels = {
        "cropped scan vertices": [(synthetic_scan(n), prediction) for n in (20_000, 60_000, 120_000, 330_000)],
        "triangles of the prediction": [
            (scan, synthetic_prediction(n)) for n in (2_500, 5_000, 10_000, 20_000, 40_000)
        ],
    }
    for axis, (label, pairs) in zip(axes, panels.items(), strict=True):
        sizes, taken = [], []
        for truth, made in pairs:
            mesh = write(made, folder)
            works = {
                "facebench": lambda t=truth, m=mesh, q=made.landmarks: ours(t, m, q),
                "libigl loop": lambda t=truth, m=mesh, q=made.landmarks: libigl_loop(t, m, q),
            }
            taken.append(alternate(works, rounds))
            vertices = axis is axes[0]
            sizes.append(len(face_scan(truth).order) if vertices else len(made.mesh.faces))
            print(f"{sizes[-1]:>8,} {label}: " + ", ".join(f"{name} {s:.3f} s" for name, s in taken[-1].items()))
        for name in taken[0]:
            axis.loglog(sizes, [t[name] for t in taken], "o-", label=name)
        axis.set_xticks(sizes, [f"{size / 1000:.3g}k" for size in sizes])
        axis.minorticks_off()
        axis.set_xlabel(label)
        axis.grid(visible=True, which="both", alpha=0.3)
    axes[0].set_ylabel("CPU seconds an image")
    axes[0].legend()
    figure.savefig(path)
    print(f"plot: {path}")


def write(prediction: Scan, folder: Path) -> Path:
    path = folder / "prediction.obj"
    vertices = "".join(f"v {x:.8f} {y:.8f} {z:.8f}\n" for x, y, z in prediction.mesh.vertices.tolist())
    path.write_text(vertices + obj_text(np.empty((0, 3)), prediction.mesh.faces), "ascii")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=Path, help="scan .obj or .ply, mm")
    parser.add_argument("--landmarks", type=Path, help="its .pp or .npy")
    parser.add_argument("--prediction", type=Path, help="prediction .obj or .ply")
    parser.add_argument("--prediction-landmarks", type=Path, help="its .npy or .txt")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--icp", action="store_true", help="time trimesh's ICP too; it takes minutes")
    parser.add_argument("--plot", type=Path, help="draw the growth to this .svg or .png")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        run(given, Path(name))


def run(given: argparse.Namespace, folder: Path) -> None:
    if given.scan:
        read = read_picked_points if given.landmarks.suffix == ".pp" else read_landmarks
        scan, landmarks = Scan(read_mesh(given.scan), read(given.landmarks)), read_landmarks(given.prediction_landmarks)
        mesh = given.prediction
    else:
        scan, made = synthetic_scan(120_000), synthetic_prediction(10_000)
        mesh, landmarks = write(made, folder), made.landmarks
    face = face_scan(scan)
    print(f"scan of {len(scan.mesh.vertices):,} vertices, {len(face.order):,} in the crop; "
          f"prediction of {len(read_mesh(mesh).faces):,} triangles")  # fmt: skip
    print(f"first call, compiled or read from the cache on disk: {cpu(lambda: ours(scan, mesh, landmarks)):.2f} CPU s")
    check(ours(scan, mesh, landmarks), libigl_loop(scan, mesh, landmarks))
    works = {
        "facebench": lambda: ours(scan, mesh, landmarks),
        "libigl loop": lambda: libigl_loop(scan, mesh, landmarks),
        "reference": lambda: fit_prediction(scan, Scan(read_mesh(mesh), landmarks), mode="reference"),
    }
    taken = alternate(works, given.rounds)
    for label, seconds in taken.items():
        print(f"{label:>12}: {seconds:.3f} CPU s an image, {seconds / taken['facebench']:.1f} times facebench")
    if given.icp:
        print(f"{'trimesh icp':>12}: {cpu(lambda: trimesh_icp(scan, mesh, landmarks)):.1f} CPU s, another minimum")
    cores = len(os.sched_getaffinity(0))
    for label in ("facebench", "libigl loop"):
        one, all_of_them = rate(works[label], 1, 3), rate(works[label], cores, 3 * cores)
        print(f"{label:>12}: {one:.1f} images/s with 1 thread, {all_of_them:.1f} with {cores}")
    if given.plot:
        growth(given.plot, folder, max(3, given.rounds // 2))


if __name__ == "__main__":
    main()
