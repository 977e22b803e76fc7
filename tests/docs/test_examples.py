"""The Python of the pages runs: what a reader copies, works."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facebench.landmark_predictions import read_landmarks
from facebench.registry import Registry
from facebench.sample_table import collect, write_table
from facebench.testing import check_backbone, check_dataset
from facebench.types import Sample
from tests.source_tree import ROOT

EXAMPLE = re.compile(r"```python\n# file: (?P<name>\S+)\n(?P<code>.*?)```", re.DOTALL)


def example(page: str, name: str, folder):
    """Write one example of a page below `folder`, and return its path."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = {match["name"]: match["code"] for match in EXAMPLE.finditer(text)}
    (folder / name).write_text(found[name], encoding="utf-8")
    return folder / name


def test_the_example_of_predictions_writes_what_score_reads(tmp_path):
    ids = [{"id": "a/b.jpg#1,2", "image": "a/b.jpg", "box": None}, {"id": "c", "image": "c", "box": [0, 0, 1, 1]}]
    (tmp_path / "ids.json").write_text(json.dumps(ids), encoding="utf-8")
    subprocess.run([sys.executable, example("predictions.md", "predict.py", tmp_path)], cwd=tmp_path, check=True)
    assert list(read_landmarks(tmp_path / "predictions.npz").ids()) == ["a/b.jpg#1,2", "c"]


def test_the_example_of_a_scan_measures(tmp_path, capsys):
    runpy.run_path(str(example("now.md", "measure.py", tmp_path)))
    assert re.fullmatch(r"0\.[12]\d mm, scale \d{3,4}, 3600 vertices placed\n", capsys.readouterr().out)


def test_the_example_of_a_data_set_loads(tmp_path):
    dataset = Registry((example("plugins.md", "my_dataset.py", tmp_path),)).get("datasets", "mine")
    for i, split in enumerate(("train", "val", "test")):
        (tmp_path / "Mine" / split).mkdir(parents=True)
        np.save(tmp_path / "Mine" / split / f"{split}-one.npy", np.arange(136.0).reshape(68, 2) + i)
    (sample,) = dataset.samples(tmp_path, "test")
    assert sample.id == "test-one"
    check_dataset(dataset, tmp_path)


def test_the_example_of_a_backbone_makes_features(tmp_path):
    torch = pytest.importorskip("torch", reason="the core alone needs no torch")
    source = Registry((example("plugins.md", "my_backbone.py", tmp_path),)).get("backbones", "grey")
    backbone = source.open("", None)
    check_backbone(backbone)
    features = backbone.features(torch.rand(2, 3, backbone.input_size, backbone.input_size))
    assert features.pooled.shape == (2, 1)
    assert features.maps[0].shape == (2, 1, 16, 16)


@pytest.fixture
def two_tables(tmp_path):
    """Per-sample tables of two rows on three faces; errors are fractions, the last two faces are profiles."""
    subsets = [("yaw=frontal",), ("yaw=profile",), ("yaw=profile",)]
    samples = [Sample(f"face{i}", Path("unused.jpg"), None, None, frozenset(s)) for i, s in enumerate(subsets)]
    for name, errors in (("a", (0.02, 0.05, 0.11)), ("b", (0.01, 0.05, 0.09))):
        write_table(tmp_path / f"{name}.parquet", collect(samples, [{"error-ioc": np.float64(e)} for e in errors]))
    return tmp_path


def test_the_example_that_looks_into_a_table_prints_its_means(two_tables):
    ran = subprocess.run(
        [sys.executable, example("walkthrough.md", "look.py", two_tables), "a.parquet"],
        cwd=two_tables, check=True, capture_output=True, text=True,
    )  # fmt: skip
    # (2 + 5 + 11) / 3 = 6; (5 + 11) / 2 = 8
    assert ran.stdout == "all 6.00 %, in profile 8.00 %\nworst: face2\n"


def test_the_example_that_pairs_two_tables_prints_difference_and_standard_error(two_tables):
    ran = subprocess.run(
        [sys.executable, example("walkthrough.md", "pair.py", two_tables), "a.parquet", "b.parquet"],
        cwd=two_tables, check=True, capture_output=True, text=True,
    )  # fmt: skip
    # differences 1, 0, 2 percent: mean 1, standard deviation 1, over the root of 3
    assert ran.stdout == "1.00 +- 0.58 %\n"
