"""Drawn faces: an ellipse, discs for eyes, a mouth; small enough for tests, with landmarks and labels known exactly.

Nothing here is a face of anybody. The geometry varies in what a head has to find: place, size and roll of the head,
where the features sit in it (a yaw of sorts), how far the eyes are apart and how wide the mouth is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facebench.datasets.held_out import is_held_out
from facebench.shapes import ByteArray, FloatArray
from facebench.types import Mesh, Scan
from tests.datasets.now_tree import write_obj, write_pp

SIDE = 96
SHIFT = 4  # cv2 draws at 1/16 pixel
PALETTE = {
    "skin": (205, 165, 140),
    "hair": (60, 45, 30),
    "eye": (40, 60, 90),
    "brow": (90, 60, 40),
    "nose": (180, 130, 110),
    "mouth": (160, 50, 60),
    "lip": (190, 80, 90),
}


@dataclass(frozen=True, eq=False)
class Face:
    """A drawn face: (SIDE, SIDE, 3) picture, (68, 2) points in the order of 300W, (SIDE, SIDE) labels of LaPa."""

    image: ByteArray
    points: FloatArray
    labels: ByteArray


def _ring(centre: tuple[float, float], radii: tuple[float, float], angles: FloatArray) -> FloatArray:
    turn = np.radians(angles)
    return np.stack([centre[0] + radii[0] * np.cos(turn), centre[1] + radii[1] * np.sin(turn)], axis=1)


def _shape(rng: np.random.Generator) -> FloatArray:
    """68 points of a face of half-width 1 around (0, 0), y down."""
    yaw, nod, apart, open_, smile = rng.uniform([-0.35, -0.15, 0.36, 0.05, 0.25], [0.35, 0.15, 0.5, 0.25, 0.45])
    jaw = _ring((0, 0), (1, 1.3), np.linspace(180, 0, 17))
    left, right = (yaw - apart, -0.25 + nod), (yaw + apart, -0.25 + nod)
    brows = [_ring((x, y - 0.1), (0.26, 0.2), np.linspace(205, 335, 5)) for x, y in (left, right)]
    bridge = np.stack([np.full(4, yaw), np.linspace(-0.25, 0.2, 4) + nod], axis=1)
    nostrils = np.stack([np.linspace(-0.16, 0.16, 5) + yaw, np.full(5, 0.28) + nod], axis=1)
    eyes = [_ring(c, (0.17, 0.1), np.array([180, 240, 300, 0, 60, 120.0])) for c in (left, right)]
    mouth = (yaw * 0.9, 0.65 + nod)
    outer = _ring(mouth, (smile, open_ + 0.08), np.arange(180, 540, 30.0))
    inner = _ring(mouth, (smile * 0.8, open_), np.arange(180, 540, 45.0))
    return np.concatenate([jaw, *brows, bridge, nostrils, *eyes, outer, inner])


def draw(seed: int) -> Face:
    """The face of `seed`."""
    rng = np.random.default_rng(seed)
    shape = _shape(rng)
    size, roll = rng.uniform(22, 30), np.radians(rng.uniform(-25, 25))
    turn = size * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    centre = SIDE / 2 + rng.uniform(-8, 8, 2)
    points = shape @ turn.T + centre
    ground = rng.integers(0, 256, (6, 6, 3)).astype(np.uint8)
    image = cv2.resize(ground, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    labels = np.zeros((SIDE, SIDE), np.uint8)
    skull = _ring((0, 0), (1, 1.3), np.arange(0, 360, 6.0)) @ turn.T + centre
    light = rng.uniform(0.7, 1.15)
    hair = _ring((0, -0.25), (1.12, 1.35), np.arange(0, 360, 6.0)) @ turn.T + centre
    lower = points[[54, 55, 56, 57, 58, 59, 48, 60, 67, 66, 65, 64]]
    parts = [(hair, "hair", 10), (skull, "skin", 1), (points[17:22], "brow", 2), (points[22:27], "brow", 3)]
    parts += [(points[36:42], "eye", 4), (points[42:48], "eye", 5), (points[[27, 31, 33, 35]], "nose", 6)]
    parts += [(points[48:60], "mouth", 7), (lower, "lip", 9), (points[60:68], "brow", 8)]
    for polygon, name, label in parts:
        fixed = [np.round(polygon * 2**SHIFT).astype(np.int32)]
        colour = tuple(float(min(255, v * light)) for v in PALETTE[name])
        cv2.fillPoly(image, fixed, colour, cv2.LINE_AA, SHIFT)
        cv2.fillPoly(labels, fixed, label, cv2.LINE_8, SHIFT)
    noisy = image.astype(np.float64) + rng.normal(0, 4, image.shape)
    return Face(np.clip(noisy, 0, 255).astype(np.uint8), points, labels)


def write_300w(root: Path, *, train: int, val: int, test: int, seed: int = 0) -> Path:
    """A 300W tree in its official layout below `root`, with so many samples of each split."""
    folder = root / "300W"
    names = {True: _names(True), False: _names(False)}
    for k in range(train + val):
        _write_pts(folder / "helen" / "trainset", f"{next(names[k >= train])}_1", draw(seed * 100_000 + k))
    for k in range(test):
        place = ("ibug", "lfpw/testset")[k % 2]
        _write_pts(folder / place, f"image_{k:03d}", draw(seed * 100_000 + 50_000 + k))
    return root


def _names(held_out: bool):  # type: ignore[no-untyped-def]
    return (i for i in range(10**9) if is_held_out(f"helen/trainset/{i}_1") == held_out)


def _write_pts(folder: Path, stem: str, face: Face) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    suffix = ".png" if "lfpw" in folder.parts else ".jpg"
    cv2.imwrite(str(folder / f"{stem}{suffix}"), face.image[..., ::-1])
    lines = "\n".join(f"{x + 1:.6f} {y + 1:.6f}" for x, y in face.points)
    (folder / f"{stem}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n")


def write_lapa(root: Path, *, train: int, val: int, test: int, seed: int = 0) -> Path:
    """A LaPa tree in its official layout below `root`."""
    for split, count, first in (("train", train, 0), ("val", val, 30_000), ("test", test, 50_000)):
        for name in ("images", "labels", "landmarks"):
            (root / "LaPa" / split / name).mkdir(parents=True, exist_ok=True)
        for k in range(count):
            face = draw(seed * 100_000 + first + k)
            base = root / "LaPa" / split
            cv2.imwrite(str(base / "images" / f"{k}.jpg"), face.image[..., ::-1])
            cv2.imwrite(str(base / "labels" / f"{k}.png"), face.labels)
    return root


def write_now(root: Path, *, subjects: int, pictures: int, val: int, seed: int = 0) -> Path:
    """A NoW tree below `root`: heads as ellipsoids whose width, height and depth the drawn pictures show.

    `subjects` heads with `pictures` training pictures each, and `val` further subjects with one picture and a scan.
    """
    rng = np.random.default_rng(seed)
    base = root / "NoW"
    entries = []
    for k in range(subjects + val):
        size = rng.uniform([55, 75, 60], [85, 115, 80])
        name, training = f"s{k:03d}", k < subjects
        scan = _ellipsoid(size, rings=14 if training else 40)
        if training:
            write_obj(base / "train" / "meshes" / f"{name}.obj", scan.mesh.vertices, scan.mesh.faces)
            write_pp(base / "train" / "meshes" / f"{name}.pp", scan.landmarks)
            folder = base / "train" / "images" / name / "selfie"
        else:
            write_obj(base / "scans" / name / f"{name}.obj", scan.mesh.vertices, scan.mesh.faces)
            write_pp(base / "scans_lmks_onlypp" / name / f"{name}.pp", scan.landmarks)
            folder = base / "final_release_version" / "iphone_pictures" / name / "selfie"
            entries.append(f"{name}/selfie/0.jpg")
        folder.mkdir(parents=True, exist_ok=True)
        for p in range(pictures if training else 1):
            cv2.imwrite(str(folder / f"{p}.jpg"), _portrait(size, rng))
    (base / "imagepathsvalidation.txt").write_text("".join(f"{entry}\n" for entry in entries))
    return root


def _ellipsoid(size: FloatArray, *, rings: int) -> Scan:
    """The front of an ellipsoid of half-axes `size`, mm, with seven landmarks on it."""
    v, u = np.meshgrid(np.linspace(-1.3, 1.3, rings), np.linspace(-1.3, 1.3, rings), indexing="ij")

    def surface(u: FloatArray, v: FloatArray) -> FloatArray:
        return np.stack([np.sin(u) * np.cos(v), np.sin(v), np.cos(u) * np.cos(v)], axis=-1) * size

    vertices = surface(u, v).reshape(-1, 3)
    a = (np.arange(rings - 1)[:, None] * rings + np.arange(rings - 1)).ravel()
    faces = np.concatenate([np.stack([a, a + 1, a + rings], 1), np.stack([a + 1, a + rings + 1, a + rings], 1)])
    places = np.array([[-0.5, 0.3], [-0.2, 0.3], [0.2, 0.3], [0.5, 0.3], [0, -0.1], [-0.3, -0.5], [0.3, -0.5]])
    return Scan(Mesh(vertices, faces), surface(places[:, 0], places[:, 1]))


def _portrait(size: FloatArray, rng: np.random.Generator) -> ByteArray:
    """A disc of the head's width and height, as bright as the head is deep."""
    image = np.full((SIDE, SIDE, 3), 40, np.uint8)
    bright = tuple(float(3 * (size[2] - 60) + c) for c in (120, 140, 160))
    centre = tuple(int(c) for c in (SIDE / 2 + rng.uniform(-2, 2, 2)) * 16)
    axes = (int(size[0] * 0.36 * 16), int(size[1] * 0.36 * 16))
    cv2.ellipse(image, centre, axes, 0, 0, 360, bright, -1, cv2.LINE_AA, SHIFT)
    return np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
