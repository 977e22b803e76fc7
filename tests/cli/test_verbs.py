from __future__ import annotations

import json
import subprocess
import sys

import pytest

import facebench
from facebench.cli import execute
from facebench.errors import DataError
from facebench.synth import embedded


def test_version(capsys):
    assert execute(["version"]) == 0
    assert capsys.readouterr().out.strip() == facebench.__version__


def test_version_json_names_what_numbers_depend_on(capsys):
    assert execute(["version", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"python", "packages", "commit"} <= found.keys()
    assert "numpy" in found["packages"]


@pytest.mark.parametrize("kind", ["datasets", "benchmarks", "backbones", "evaluators", "protocols"])
def test_list_names_things(kind, capsys):
    assert execute(["list", kind, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert all(row["name"] and row["summary"] for row in rows)
    assert execute(["list", kind]) == 0
    assert capsys.readouterr().out.count("\n") == len(rows)


def test_everything_listed_can_be_described(capsys):
    for kind in ("datasets", "backbones", "evaluators", "protocols"):
        execute(["list", kind, "--json"])
        for row in json.loads(capsys.readouterr().out):
            assert execute(["describe", row["name"], "--json"]) == 0
            assert json.loads(capsys.readouterr().out)["name"] == row["name"]


def test_describe_suggests(capsys):
    assert execute(["describe", "wlfw"]) == 2
    assert "'wflw'" in capsys.readouterr().err


def test_an_unknown_verb_is_a_usage_error(capsys):
    assert execute(["scroe"]) == 2


def test_data_ids(data, capsys):
    assert execute(["data", "ids", "300w", "--split", "challenge", "--data", str(data), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in rows] == ["ibug/d", "ibug/e"]
    assert rows[0].keys() == {"id", "image", "box"}


def test_data_verify_of_a_half_copied_set_is_exit_3(data, capsys):
    assert execute(["data", "verify", "300w", "--data", str(data)]) == 3
    out, err = capsys.readouterr()
    assert "689" in out
    assert "not as published" in err


def test_doctor_recognises_the_layout(data, capsys):
    assert execute(["data", "doctor", str(data)]) == 0
    assert "300w" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 3, "drawn here"),  # README exports FACEBENCH_DATA; the plain command is still the made world
        (["-e", "wflw"], 3, "no WFLW_annotations"),
        (["--data", "."], 2, "name it with -e"),
    ],
)
def test_run_draws_faces_where_no_benchmark_is_named(data, monkeypatch, capsys, words, code, said):
    def draw(*_args, **_kwargs):
        raise DataError("drawn here")

    monkeypatch.setattr(embedded, "embedded_world", draw)
    monkeypatch.setenv("FACEBENCH_DATA", str(data))
    assert execute(["run", "-b", "pixels", *words]) == code
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_doctor_of_a_folder_without_a_set_says_so(tmp_path, capsys):
    (tmp_path / "photos.zip").write_bytes(b"PK")
    (tmp_path / "empty").mkdir()
    for folder, said in ((tmp_path, "photos.zip: archive of no known set"), (tmp_path / "empty", "no data set recog")):
        assert execute(["data", "doctor", str(folder)]) == 0
        out = capsys.readouterr().out
        assert said in out
        assert "None" not in out


def test_leaderboard_of_nothing_is_exit_3(tmp_path, capsys):
    assert execute(["leaderboard", str(tmp_path)]) == 3
    assert "result.json" in capsys.readouterr().err


def test_reading_a_record_runs_nothing(tmp_path, capsys):
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    bad = tmp_path / "result.json"
    bad.write_text(json.dumps({"backbone": {"spec": f"module:{trap}:factory"}}))
    assert execute(["leaderboard", str(bad)]) == 3
    assert "not a facebench record" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("words", [["--help"], ["list", "datasets"], ["score", "--help"]])
def test_light_verbs_load_nothing_heavy(words):
    code = (
        f"import sys; from facebench.cli import execute; execute({words!r}); "
        "heavy = {'torch', 'numpy', 'pandas', 'scipy', 'cv2', 'numba', 'rich'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
