"""Sources of a preparation, drawn for tests: pictures with sidecars in folders and tars."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pretrain.prepare.options import Options
from pretrain.prepare.run import prepare
from tests.drawn_faces import Face, draw

SMALL = Options(size=64, min_side=20, per_shard=4)
"""Options that the drawn faces (96 pixels a side) fit."""


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def box_of(points: np.ndarray) -> list[float]:
    return [float(v) for v in (*points.min(axis=0), *points.max(axis=0))]


def sidecar(face: Face, *, landmarks: int | None = 68, **fields: Any) -> bytes:
    """What is written beside the picture of `face`."""
    five = np.stack([face.points[36:42].mean(0), face.points[42:48].mean(0), *face.points[[30, 48, 54]]])
    points = {68: face.points.tolist(), 5: five.tolist(), None: None}[landmarks]
    found = {"box": box_of(face.points), "landmarks": points, "score": 0.99}
    return json.dumps({"faces": [found], **fields}).encode()


def write_folder(folder: Path, seeds: Sequence[int], *, landmarks: int | None = 68, suffix: str = ".png") -> Path:
    """The drawn faces of `seeds` in `folder`, in sub-folders of three."""
    for at, seed in enumerate(seeds):
        face = draw(seed)
        place = folder / f"{at // 3:02d}"
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{seed:05d}{suffix}"), face.image[..., ::-1])
        (place / f"{seed:05d}.json").write_bytes(sidecar(face, landmarks=landmarks))
    return folder


def write_tar(path: Path, members: Mapping[str, bytes] | Sequence[tuple[tarfile.TarInfo, bytes]]) -> Path:
    """A tar with the given members, whatever their names."""
    if isinstance(members, Mapping):
        members = [(tarfile.TarInfo(name), content) for name, content in members.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for member, content in members:
            if member.isreg():
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def face_members(seeds: Sequence[int]) -> dict[str, bytes]:
    """Members of an archive with the faces of `seeds`, as img2dataset writes them."""
    made = {}
    for seed in seeds:
        face = draw(seed)
        made[f"{seed:05d}.json"] = sidecar(face)
        made[f"{seed:05d}.png"] = png(face.image)
        made[f"{seed:05d}.txt"] = b"a caption"
    return made


def prepared(tmp_path: Path, count: int, options: Options = SMALL, *, landmarks: int | None = 68) -> Path:
    """A prepared set of `count` drawn faces below `tmp_path`."""
    source = write_folder(tmp_path / "source", range(count), landmarks=landmarks)
    prepare([source], tmp_path / "shards", options)
    return tmp_path / "shards"


def rejections(folder: Path) -> dict[str, str]:
    """Name of what was left out to its reason."""
    lines = (folder / "rejected.jsonl").read_text().splitlines()
    return {record["source"]: record["reason"] for record in map(json.loads, lines)}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of `folder`."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
