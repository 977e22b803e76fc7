"""Where a result is wrong: means by hand, the mean face against the drawn ones, hostile names, bare records."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from facebench.cli import execute
from facebench.datasets.cofw import DATASET
from facebench.evaluators.landmarks import EVALUATOR
from facebench.record import write_results
from facebench.sample_table import SampleTable, write_table
from facebench.schemes import COFW29, LAPA11, WFLW98
from facebench.types import Landmarks, Sample
from leaderboard.atlas import Confusions, Points, atlas_of, layouts
from leaderboard.load import load
from tests.leaderboard.records import backbone, record, score
from tests.source_tree import ROOT

SVG = "{http://www.w3.org/2000/svg}"


def stored(folder, columns, key="wflw/test/all/nme-ioc", subject="vit", **changes):
    n = len(next(iter(columns.values())))
    ids = tuple(f"face{i}" for i in range(n))
    folder.mkdir(parents=True)
    digest = write_table(folder / "samples.parquet", SampleTable(ids, ids, {}, {}, columns))
    made = record(
        subject, score(key, 50.0, n=n, interval=None, **changes), backbone=backbone(subject),
        counts={"expected": n, "scored": n, "failed": 0},
        samples={"path": "samples.parquet", "sha256": digest, "rows": n},
    )  # fmt: skip
    made = made.model_copy(update={"dataset": made.dataset.model_copy(update={"official": None})})
    write_results(folder / "result.json", [made])
    (loaded,) = load([folder])
    return loaded


def ragged(rows):
    made = np.empty(len(rows), dtype=object)
    made[:] = list(rows)
    return made


def test_errors_of_each_point_are_means_over_the_faces_that_have_it(tmp_path):
    errors = np.full((3, 98), 0.02, dtype=np.float32)
    errors[:, 7] = 0.01, 0.03, 0.08
    errors[:2, 9] = np.nan
    atlas = atlas_of(stored(tmp_path / "a", {"points": ragged(errors)}))
    assert isinstance(atlas, Points)
    by_number = {spot.number: spot for spot in atlas.spots}
    assert by_number[7].error == pytest.approx(4.0)
    assert by_number[9].error == pytest.approx(2.0), "one face has the point"
    assert atlas.spots[-1].number == 7, "the worst is drawn last"
    assert by_number[7].radius ** 2 == pytest.approx(2 * by_number[0].radius ** 2, rel=0.01), "areas follow errors"
    assert (atlas.n, atlas.metric) == (3, "nme-ioc")


def test_the_evaluator_writes_the_points():
    truth = np.random.default_rng(0).uniform(0, 100, (29, 2))
    located = np.ones(29, dtype=bool)
    located[3] = False
    sample = Sample("a", Path("a.jpg"), None, Landmarks(truth, located=located))
    row = EVALUATOR.measure(DATASET, sample, truth + np.array([3.0, 4.0]), {})
    distance = np.linalg.norm(truth[COFW29.corners[0]] - truth[COFW29.corners[1]])
    assert np.isnan(row["points"][3])
    np.testing.assert_allclose(np.delete(row["points"], 3), 5.0 / distance, rtol=1e-6)
    assert np.nansum(row["points"]) / 29 == pytest.approx(row["error-ioc"], rel=1e-6)


def test_confusions_are_shares_of_the_true_class(tmp_path):
    matrix = np.zeros((2, 11, 11), dtype=np.int64)
    matrix[0, 1, 1], matrix[0, 1, 10], matrix[1, 10, 10] = 30, 10, 40
    about = {"key": "lapa/test/mean-fg10/f1", "direction": "higher"}
    atlas = atlas_of(stored(tmp_path / "a", {"confusion": matrix}, **about))
    assert isinstance(atlas, Confusions)
    assert atlas.classes == LAPA11.classes
    assert (atlas.shares[1][1], atlas.shares[1][10], atlas.shares[10][10]) == (0.75, 0.25, 1.0)
    assert atlas.f1[1] == pytest.approx(100 * 2 * 30 / (40 + 30))
    assert np.isnan(atlas.f1[2]), "neither there nor predicted"


def test_the_mean_face_is_what_its_script_makes():
    spec = importlib.util.spec_from_file_location("make_layouts", ROOT / "docs" / "make_layouts.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = script.layouts()
    assert made.keys() == layouts().keys()
    for name, points in made.items():
        np.testing.assert_allclose(layouts()[name], points, atol=0.11)


def test_a_mean_face_is_upright_and_symmetric():
    points = np.array(layouts()[WFLW98.name])
    np.testing.assert_allclose(points[list(WFLW98.flip)] * (-1, 1) + (100, 0), points, atol=0.11)
    eyes, mouth = points[[60, 72], 1].mean(), points[[76, 82], 1].mean()
    assert points[:, 1].min() < eyes < mouth < points[16, 1], "brows, eyes, mouth, chin"


def test_svgs_are_written_and_a_name_is_text(tmp_path, capsys):
    hostile = "</title><script>alert(1)</script>"
    stored(tmp_path / "runs" / "a", {"points": ragged(np.full((2, 98), 0.05, np.float32))}, subject=hostile)
    assert execute(["atlas", str(tmp_path / "runs"), "-o", str(tmp_path / "out")]) == 0
    (path,) = (tmp_path / "out").iterdir()
    assert capsys.readouterr().out.split() == [str(path)]
    tree = ElementTree.parse(path).getroot()
    assert len(tree.findall(f"{SVG}circle/{SVG}title")) == 98
    assert hostile in tree.find(f"{SVG}title").text
    assert tree.find(f".//{SVG}script") is None


def test_a_record_without_its_table_has_no_atlas(tmp_path, capsys):
    write_results(tmp_path / "result.json", [record("a")])
    assert execute(["atlas", str(tmp_path), "-o", str(tmp_path / "out")]) == 3
    assert "nothing to draw" in capsys.readouterr().err
