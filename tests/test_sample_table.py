from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebench.errors import DataError
from facebench.sample_table import collect, read_table, write_table
from facebench.types import Landmarks, Sample


def sample(name: str, *subsets: str) -> Sample:
    target = Landmarks(np.zeros((1, 2)))
    return Sample(name, Path("x.jpg"), None, target, frozenset(subsets), cluster="c" + name[0], slices={"yaw": 1.5})


ROWS = [
    {"error": 0.1, "confusion": np.array([[1, 2], [3, 4]]), "distances": np.array([0.1, 0.2, 0.3])},
    {"error": 1 / 3, "confusion": np.array([[5, 6], [7, 8]]), "distances": np.array([0.4])},
]


def test_every_kind_of_column_survives_the_disk(tmp_path):
    path = tmp_path / "deep" / "samples.parquet"
    digest = write_table(path, collect([sample("a1", "common"), sample("b1")], ROWS))
    back = read_table(path)
    assert back.ids == ("a1", "b1")
    assert back.clusters == ("ca", "cb")
    assert back.subsets["common"].tolist() == [True, False]
    assert back.slices["yaw"].tolist() == [1.5, 1.5]
    assert back.columns["error"].tolist() == [0.1, 1 / 3]  # bit for bit
    assert back.columns["confusion"].shape == (2, 2, 2)
    assert back.columns["confusion"][1].tolist() == [[5, 6], [7, 8]]
    assert [d.tolist() for d in back.columns["distances"]] == [[0.1, 0.2, 0.3], [0.4]]
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_same_statistics_give_the_same_bytes(tmp_path):
    table = collect([sample("a1"), sample("b1")], ROWS)
    assert write_table(tmp_path / "1.parquet", table) == write_table(tmp_path / "2.parquet", table)


def test_vectors_of_equal_length_stay_vectors(tmp_path):
    rows = [{"distances": np.array([1.0, 2.0])}, {"distances": np.array([3.0, 4.0])}]
    write_table(tmp_path / "t.parquet", collect([sample("a"), sample("b")], rows))
    assert [d.tolist() for d in read_table(tmp_path / "t.parquet").columns["distances"]] == [[1.0, 2.0], [3.0, 4.0]]


def test_a_file_that_is_no_table_is_named(tmp_path):
    bad = tmp_path / "samples.parquet"
    bad.write_bytes(b"PAR1 but not really")
    with pytest.raises(DataError, match=r"samples\.parquet is not a table"):
        read_table(bad)


def test_an_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        write_table(tmp_path / "file" / "t.parquet", collect([sample("a")], ROWS[:1]))


def test_a_parquet_file_of_something_else_is_refused(tmp_path):
    pq.write_table(pa.table({"id": ["a"], "error-ioc": [0.1]}), tmp_path / "other.parquet")
    with pytest.raises(
        DataError, match=r"other\.parquet is not a table of per-sample statistics: .* no column 'cluster'"
    ):
        read_table(tmp_path / "other.parquet")
