from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from facebench.cli import execute
from facebench.record import read_results
from tests.cli.conftest import FACES, face_points


def score(*words) -> int:
    return execute(["score", "300w", *map(str, words)])


def test_prints_official_numbers(data, predictions, capsys):
    assert score(predictions, "--data", data) == 0
    out, err = capsys.readouterr()
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert rows["full"][1:3] == ["5", "3.00"]  # (1 + 2 + 3 + 4 + 5) / 5
    assert rows["common"][1:3] == ["3", "2.00"]  # (1 + 2 + 3) / 3
    assert rows["challenge"][1:3] == ["2", "4.50"]  # (4 + 5) / 2
    assert "not the official 689" in err


def test_json_is_the_whole_record(data, predictions, capsys):
    assert score(predictions, "--data", data, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    values = {s["key"]: s["value"] for s in record["scores"]}
    assert values["300w/test/full/nme-ioc"] == pytest.approx(3.0)
    # e > 8 % never, and mean(1 - e/8 %) = 1 - 3/8 exactly.
    assert values["300w/test/full/fr8-ioc"] == 0.0
    assert values["300w/test/full/auc8-ioc"] == pytest.approx(0.625)
    # Only 5 % is not above 5 %: the comparison is strict. 4 % and 5 % give 0.2 and 0 of the area.
    assert values["300w/test/full/fr5-ioc"] == 0.0
    assert record["counts"] == {"expected": 5, "scored": 5, "failed": 0, "unknown": 0, "reasons": {}}
    assert record["predictions"]["name"] == "predictions.npz"


def test_output_is_written_with_its_samples(data, predictions, tmp_path):
    assert score(predictions, "--data", data, "-o", tmp_path / "out" / "mine.json") == 0
    (result,) = read_results(tmp_path / "out" / "mine.json")
    assert result.samples.rows == 5
    assert (tmp_path / "out" / result.samples.path).is_file()


def test_data_root_comes_from_the_environment(data, predictions, monkeypatch, capsys):
    monkeypatch.setenv("FACEBENCH_DATA", str(data))
    assert score(predictions) == 0


def test_no_data_root_is_a_usage_error(predictions, capsys):
    assert score(predictions) == 2
    assert "FACEBENCH_DATA" in capsys.readouterr().err


def test_missing_root_is_exit_3(predictions, tmp_path, capsys):
    assert score(predictions, "--data", tmp_path / "nowhere") == 3
    assert "nowhere" in capsys.readouterr().err


def test_unknown_benchmark_suggests(data, predictions, capsys):
    assert execute(["score", "330w", str(predictions), "--data", str(data)]) == 2
    assert "300w" in capsys.readouterr().err


def drop_last(predictions, **changes):
    with np.load(predictions) as found:
        ids, points = found["ids"][:-1], found["points"][:-1]
    np.savez(predictions, ids=ids, points=points)


def test_missing_predictions_are_named_and_exit_3(data, predictions, capsys):
    drop_last(predictions)
    assert score(predictions, "--data", data) == 3
    assert "ibug/e" in capsys.readouterr().err


def test_allowed_missing_ones_make_an_incomplete_unranked_row(data, predictions, tmp_path, capsys):
    drop_last(predictions)
    record = tmp_path / "part.json"
    assert score(predictions, "--data", data, "--allow-missing", "-o", record) == 0
    assert "INCOMPLETE" in capsys.readouterr().out
    (result,) = read_results(record)
    assert (result.counts.expected, result.counts.scored, result.counts.failed) == (5, 4, 1)
    assert execute(["leaderboard", str(record)]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "part" in line or "predictions" in line)
    assert row.startswith("–")


def add_one(predictions, name):
    with np.load(predictions) as found:
        ids, points = [*found["ids"], name], found["points"]
    np.savez(predictions, ids=np.array(ids), points=np.concatenate([points, points[:1]]))


@pytest.mark.parametrize(
    ("name", "counts", "said"),
    [
        ("ibug/e", (4, 1, 0), "ibug/e: 2 predictions; which of them is meant cannot be known"),
        ("ibug/z", (5, 0, 1), "1 predicted for no sample of the split"),
    ],
)
def test_doubled_and_unknown_ones_are_refused_or_make_an_unranked_row(
    data, predictions, tmp_path, capsys, name, counts, said
):
    add_one(predictions, name)
    record = tmp_path / "part.json"
    assert score(predictions, "--data", data, "-o", record) == 3
    assert f"('{name}')" in capsys.readouterr().err
    assert score(predictions, "--data", data, "--allow-missing", "-o", record) == 0
    assert "INCOMPLETE" in capsys.readouterr().out
    (result,) = read_results(record)
    assert (result.counts.scored, result.counts.failed, result.counts.unknown) == counts
    assert execute(["leaderboard", str(record)]) == 0
    out = capsys.readouterr().out
    assert next(line for line in out.splitlines() if "predictions " in line).startswith("–")
    assert said in out


def test_a_nan_prediction_fails_its_face_only_and_exits_3(data, predictions, tmp_path, capsys):
    with np.load(predictions) as found:
        ids, points = found["ids"], found["points"].copy()
    points[1, 7, 0] = np.nan
    np.savez(predictions, ids=ids, points=points)
    record = tmp_path / "nan.json"
    assert score(predictions, "--data", data, "-o", record) == 3
    err = capsys.readouterr().err
    assert "helen/testset/b" in err
    (result,) = read_results(record)  # nothing already computed is lost
    assert result.counts.scored == 4


def test_wrong_point_count_is_exit_3(data, tmp_path, capsys):
    bad = tmp_path / "bad.npz"
    np.savez(bad, ids=np.array(FACES), points=np.zeros((5, 98, 2)))
    assert score(bad, "--data", data) == 3
    assert "98" in capsys.readouterr().err


def test_unwritable_output_is_found_before_the_work(data, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert score(tmp_path / "no-such-predictions.npz", "--data", data, "-o", tmp_path / "file" / "r.json") == 3
    assert "cannot write" in capsys.readouterr().err


def test_metrical_needs_a_unit(data, predictions, capsys):
    assert score(predictions, "--data", data, "--metrical") == 2


def test_a_subset_may_be_scored_from_predictions_for_the_whole_split(data, predictions, capsys):
    assert score(predictions, "--data", data, "--split", "challenge", "--json") == 0
    values = {s["key"]: s["value"] for s in json.loads(capsys.readouterr().out)["scores"]}
    assert values["300w/test/challenge/nme-ioc"] == pytest.approx(4.5)
    assert "300w/test/full/nme-ioc" not in values


@pytest.mark.slow
def test_score_loads_no_torch(data, predictions):
    code = (
        "import sys; from facebench.cli import execute; "
        f"code = execute(['score', '300w', {str(predictions)!r}, '--data', {str(data)!r}]); "
        "assert code == 0 and 'torch' not in sys.modules, code"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_hand_case_is_what_it_says():
    points = face_points()
    assert np.linalg.norm(points[36] - points[45]) == 100
