from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from facebench.cli import execute
from facebench.record import read_results, write_results
from tests.verdicts.made import made

N = 120
ORDERS = {"linear.v1": (1.0, 2.0, 3.0, 4.0), "knn.v1": (1.0, 3.0, 2.0, 4.0)}
NAMES = ("alpha", "beta", "gamma", "delta")


def agreement(*words: object) -> int:
    return execute(["agreement", *map(str, words)])


def write(folder: Path, name: str, protocol: str, mean: float, **changes: object) -> Path:
    rng = np.random.default_rng(sum(name.encode()) + len(protocol))
    hard = np.random.default_rng(0).gamma(2.0, 1.0, N)
    fields = {"probe": protocol, **changes.pop("fields", {})}  # type: ignore[dict-item]
    about = {"subject": name, "sha256": name, "protocol": protocol, "fields": fields, **changes}
    return made(folder, (hard + mean + 0.1 * rng.normal(0, 1, N)) / 100, **about)  # type: ignore[arg-type]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Four backbones; `gamma` and `beta` change places under knn."""
    for protocol, means in ORDERS.items():
        for name, mean in zip(NAMES, means, strict=True):
            write(tmp_path / protocol / name, name, protocol, mean)
    return tmp_path


def test_a_ranking_that_depends_on_the_protocol_is_warned_of(runs, capsys):
    assert agreement(runs) == 0
    out, err = capsys.readouterr()
    row = next(line for line in out.splitlines() if line.startswith("wflw/test/all/nme-ioc  "))
    assert row.split()[1:] == ["knn.v1", "and", "linear.v1", "0.67", "[0.67,", "0.67]", "4", "5", "1", "0", "120"]
    assert "warning: on wflw/test the ranking depends on the protocol: under knn.v1, gamma beats beta;" in out
    assert "note: wflw/test: fewer than 300 samples" in err


def test_the_same_for_programs(runs, capsys):
    assert agreement(runs, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["agreements"]
    assert found["tau_b"] == pytest.approx(2 / 3)
    assert found["pairs"] == {"kept": 5, "changed": [["gamma", "beta"]], "open": 0}
    assert found["depends_on_protocol"] is True
    assert [each["ranks"] for each in found["backbones"]] == [[1, 1], [2, 3], [3, 2], [4, 4]]
    assert found["backbones"][0]["subject"] == "alpha"
    assert set(found["backbones"][0]["values"]) == {"knn.v1", "linear.v1"}


def test_no_warning_where_all_agree(tmp_path, capsys):
    for protocol in ORDERS:
        for name, mean in zip(NAMES, (1.0, 2.0, 3.0, 4.0), strict=True):
            write(tmp_path / protocol / name, name, protocol, mean)
    assert agreement(tmp_path) == 0
    out = capsys.readouterr().out
    assert "1.00  [1.00, 1.00]" in out
    assert "warning" not in out


def test_floors_and_incomplete_rows_are_left_out(runs, capsys):
    for protocol in ORDERS:
        folder = write(runs / protocol / "floor", "floor", protocol, 0.1)
        (result,) = read_results(folder)
        write_results(folder / "result.json", [result.model_copy(update={"backbone": None})])
        folder = write(runs / protocol / "named", "named", protocol, 0.1)
        (result,) = read_results(folder)
        about = result.backbone.model_copy(update={"spec": "floor"})  # type: ignore[union-attr]
        write_results(folder / "result.json", [result.model_copy(update={"backbone": about})])
    write(runs / "linear.v1" / "lost", "lost", "linear.v1", 0.5, expected=N + 1)
    write(runs / "knn.v1" / "lost", "lost", "knn.v1", 0.5)
    assert agreement(runs, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["agreements"][0]["backbones"]) == 4
    assert found["left_out"] == ["lost on wflw/test under linear.v1: incomplete or undefined"]


def test_fewer_than_two_protocols_or_three_backbones_are_not_comparable(runs, capsys):
    assert agreement(runs / "linear.v1") == 5
    assert "wflw/test has results under linear.v1 alone" in capsys.readouterr().err
    assert agreement(*(runs / p / name for p in ORDERS for name in NAMES[:2])) == 5
    assert "knn.v1 and linear.v1 share 2 of the 3 backbones needed" in capsys.readouterr().err


def test_other_weights_are_another_backbone(runs, capsys):
    write(runs / "knn.v1" / "beta", "beta", "knn.v1", 3.0, sha256="other")
    write(runs / "knn.v1" / "gamma", "gamma", "knn.v1", 2.0, sha256="other too")
    assert agreement(runs) == 5
    assert "share 2 of the 3" in capsys.readouterr().err


def test_two_records_of_one_backbone_are_refused(runs, capsys):
    write(runs / "again", "alpha", "linear.v1", 1.5)
    assert agreement(runs) == 2
    assert "two records of alpha on wflw/test under linear.v1" in capsys.readouterr().err


def test_what_else_differs_is_in_the_name_of_the_protocol(runs, capsys):
    for name, mean in zip(NAMES, (4.0, 3.0, 2.0, 1.0), strict=True):
        write(runs / "tenth" / name, name, "linear.v1", mean, fields={"labels": "10"})
    assert agreement(runs, "--json") == 0
    found = json.loads(capsys.readouterr().out)["agreements"]
    assert [tuple(each["protocols"]) for each in found] == [
        ("knn.v1", "linear.v1 (labels:10)"),
        ("knn.v1", "linear.v1 (labels:absent)"),
        ("linear.v1 (labels:10)", "linear.v1 (labels:absent)"),
    ]
    assert found[2]["tau_b"] == -1


def test_a_table_that_was_changed_is_refused(runs, capsys):
    table = runs / "knn.v1" / "alpha" / "samples.parquet"
    table.write_bytes(table.read_bytes() + b" ")
    assert agreement(runs) == 3
    assert "sha256" in capsys.readouterr().err
