"""Real pictures of 300W through a backbone: the way must work; ten faces say nothing about a number."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facebench.datasets.held_out import is_held_out
from facebench.predictions import read_landmarks
from facebench.registry import Registry
from facebench.run import Request, plan, run


@pytest.fixture
def tree(shared_data: Path, tmp_path: Path) -> Path:
    """300W's official layout: three real pictures as iBUG, the rest as HELEN train; two of mmpose's as private test."""
    found = sorted((shared_data / "dxy_300w_samples" / ".test" / "data").glob("*.pts"))
    if len(found) < 6:
        pytest.skip("real 300W pictures not present")
    names: dict[bool, Iterator[str]] = {held: _names(held) for held in (True, False)}
    for k, points in enumerate(found):
        folder, stem = ("ibug", f"image_{k:03d}") if k < 3 else ("helen/trainset", next(names[k < 5]))
        place = tmp_path / "300W" / folder
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(points, place / f"{stem}.pts")
        shutil.copy(points.with_suffix(".jpg"), place / f"{stem}.jpg")
    _copy_indoor(shared_data / "mmpose" / "tests" / "data" / "300w", tmp_path / "300W" / "01_Indoor")
    return tmp_path


def _names(held_out: bool) -> Iterator[str]:
    return (f"{i}_1" for i in range(10**9) if is_held_out(f"helen/trainset/{i}_1") == held_out)


def _copy_indoor(source: Path, folder: Path) -> None:
    listed = json.loads((source / "test_300w.json").read_text())
    files = {image["id"]: image["file_name"] for image in listed["images"]}
    folder.mkdir(parents=True)
    for face in listed["annotations"]:
        name = Path(files[face["image_id"]])
        points = np.array(face["keypoints"]).reshape(68, 3)[:, :2]
        rows = "\n".join(f"{x:.6f} {y:.6f}" for x, y in points)
        (folder / f"{name.stem}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{rows}\n}}\n")
        shutil.copy(source / name, folder / name.name)


@pytest.mark.slow
@pytest.mark.parametrize(("split", "count"), [(None, 3), ("private", 2)])
def test_real_pictures_end_to_end(tree: Path, tmp_path: Path, split: str | None, count: int) -> None:
    spec = "timm:vit_tiny_patch16_224@random:0"
    request = Request(
        (spec, "pixels"), ("300w",), tree, tmp_path / "runs", split=split, device="cpu", cache=tmp_path / "cache"
    )
    planned = plan(request, Registry())
    floor, vit, pixels = run(planned)
    assert [r.counts.scored for r in (floor, vit, pixels)] == [count] * 3
    assert vit.backbone is not None
    assert vit.backbone.weights == "random:0"
    for result in (floor, vit, pixels):
        ioc = next(s.value for s in result.scores if s.key.endswith("nme-ioc"))
        assert ioc is not None
        assert 2 < ioc < 60
    for row in planned.rows:
        found = read_landmarks(row.job.folder / "predictions.npz")
        for sample in row.job.splits.test:
            box = row.job.framing.box_of(sample)
            points = found.read(sample)
            # A face in its own picture: the centre of what was predicted lies in the box of the face.
            assert np.all(points.mean(axis=0) > box[:2])
            assert np.all(points.mean(axis=0) < box[2:])
