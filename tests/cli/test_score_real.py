"""`facebench score` on real annotations: every number again, from the raw files, with plain numpy."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from facebench.cli import execute


def record(capsys: pytest.CaptureFixture[str], *words: object) -> dict:
    assert execute([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def values(found: dict) -> dict[str, float]:
    return {s["key"].split("/", 2)[2]: s["value"] for s in found["scores"]}


def perturbed(points: np.ndarray, unit: np.ndarray, seed: int) -> np.ndarray:
    """`points` (N, K, 2) shifted at random: some faces hardly, some beyond every threshold of `unit` (N,) pixels."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.005, 0.15, len(points)) * unit
    return points + rng.normal(size=points.shape) * spread[:, None, None]


def errors(pred: np.ndarray, truth: np.ndarray, unit: np.ndarray) -> np.ndarray:
    return np.sqrt(((pred - truth) ** 2).sum(axis=2)).mean(axis=1) / unit


def csv_points(path: Path) -> tuple[list[str], np.ndarray]:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [row[0] for row in rows], np.array([row[4:] for row in rows], dtype=float).reshape(len(rows), -1, 2)


@pytest.mark.parametrize(("name", "split", "whole"), [("valid", "test", "full"), ("test", "private", "full")])
def test_300w(shared_data, tmp_path, capsys, name, split, whole):
    root = shared_data / "w300_choidm"
    files, raw = csv_points(root / f"face_landmarks_300w_{name}.csv")
    assert execute(["data", "ids", "300w", "--split", split, "--data", str(root), "--json"]) == 0
    ids = [row["id"] for row in json.loads(capsys.readouterr().out)]
    stems = [Path(file.replace(" ", "")).stem for file in files]
    assert [Path(one).name for one in ids] == stems
    corners = np.linalg.norm(raw[:, 36] - raw[:, 45], axis=1)
    # The file counts from 1, predictions count from 0.
    pred = perturbed(raw - 1, corners, seed=1)
    order = np.random.default_rng(2).permutation(len(ids))
    np.savez(tmp_path / "p.npz", ids=np.array(ids)[order], points=pred[order])
    found = values(record(capsys, "score", "300w", tmp_path / "p.npz", "--data", root, "--split", split))
    ioc = errors(pred + 1, raw, corners)
    pupils = np.linalg.norm(raw[:, 36:42].mean(axis=1) - raw[:, 42:48].mean(axis=1), axis=1)
    sides = np.sqrt((raw.max(axis=1) - raw.min(axis=1)).prod(axis=1))
    box = errors(pred + 1, raw, sides)
    assert 0.1 < np.mean(ioc > 0.08) < 0.9
    assert found[f"{whole}/nme-ioc"] == pytest.approx(100 * ioc.mean(), rel=1e-6)
    assert found[f"{whole}/nme-ipupil"] == pytest.approx(100 * np.mean(ioc * corners / pupils), rel=1e-6)
    assert found[f"{whole}/nme-lmkbox"] == pytest.approx(100 * box.mean(), rel=1e-6)
    for percent in (5, 8, 10):
        t = percent / 100
        assert found[f"{whole}/fr{percent}-ioc"] == pytest.approx(100 * np.mean(ioc > t))
        assert found[f"{whole}/auc{percent}-ioc"] == pytest.approx(np.clip(1 - ioc / t, 0, None).mean(), rel=1e-6)
    assert found[f"{whole}/auc7-lmkbox"] == pytest.approx(np.clip(1 - box / 0.07, 0, None).mean(), rel=1e-6)
    parts = {"common": "helen lfpw", "challenge": "ibug"} if split == "test" else {"indoor": "01_", "outdoor": "02_"}
    for part, starts in parts.items():
        inside = np.array([one.startswith(tuple(starts.split())) for one in ids])
        assert found[f"{part}/nme-ioc"] == pytest.approx(100 * ioc[inside].mean(), rel=1e-6)


def test_wflw_subset_lists(shared_data, tmp_path, capsys):
    root = shared_data / "wflw_subset_lists"
    faces: dict[str, tuple[np.ndarray, set[str]]] = {}
    for part, file in (("pose", "largepose"), ("blur", "blur")):
        for line in (root / f"list_98pt_test_{file}.txt").read_text().splitlines():
            words = line.split()
            points = np.array(words[:196], dtype=float).reshape(98, 2)
            name = f"{words[196]}#{round(points[0, 0])},{round(points[0, 1])}"
            faces.setdefault(name, (points, set()))[1].add(part)
    truth = np.array([points for points, _ in faces.values()])
    corners = np.linalg.norm(truth[:, 60] - truth[:, 72], axis=1)
    pred = perturbed(truth, corners, seed=3)
    (tmp_path / "p.json").write_text(json.dumps(dict(zip(faces, pred.tolist(), strict=True))))
    result = record(capsys, "score", "wflw", tmp_path / "p.json", "--data", root)
    assert result["dataset"]["official"] is False  # two of the six lists hold 1,019 of the 2,500 faces
    found, ioc = values(result), errors(pred, truth, corners)
    for part in ("pose", "blur"):
        inside = np.array([part in parts for _, parts in faces.values()])
        assert found[f"{part}/nme-ioc"] == pytest.approx(100 * ioc[inside].mean(), rel=1e-9)
        assert found[f"{part}/fr10-ioc"] == pytest.approx(100 * np.mean(ioc[inside] > 0.1))
        assert found[f"{part}/auc10-ioc"] == pytest.approx(np.clip(1 - ioc[inside] / 0.1, 0, None).mean(), rel=1e-9)
    pupils = np.linalg.norm(truth[:, 96] - truth[:, 97], axis=1)
    assert found["all/nme-ipupil"] == pytest.approx(100 * np.mean(ioc * corners / pupils), rel=1e-9)
