"""`facebench pretrain prepare`: what it prints, how it ends, and that it goes on after the worst."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import cv2
import pytest

from facebench.cli import execute
from facebench.synth.write import write_faces
from pretrain.data.shards import Shards
from tests.drawn_faces import draw, write_300w
from tests.pretrain.made_sources import contents, rejections, write_folder
from tests.source_tree import ROOT

SMALL = ("--size", "64", "--min-side", "20", "--per-shard", "4")


def command(*arguments: object) -> list[str]:
    return ["pretrain", "prepare", *map(str, arguments), *SMALL]


def test_it_prints_what_was_made_and_says_what_to_type_next(tmp_path, capsys):
    source = write_folder(tmp_path / "faces", range(6))
    (source / "00" / "00001.json").unlink()
    assert execute(command(source, "-o", tmp_path / "shards")) == 0
    printed = capsys.readouterr()
    lines = dict(line.split(maxsplit=1) for line in printed.out.splitlines())
    assert lines["seen"] == "6"
    assert lines["kept"] == "5 in 2 shards, 64 px"
    assert lines["no-face"] == "1 left out"
    assert lines["landmarks"].startswith("68; 0 without")
    assert lines["supervision"] == "none"
    assert lines["digest"] == Shards.open(tmp_path / "shards").manifest.digest
    assert f"why: {tmp_path / 'shards' / 'rejected.jsonl'}" in printed.err
    assert f"next: facebench pretrain train CONFIG data.shards={tmp_path / 'shards'}" in printed.err


def test_json_is_the_manifest(tmp_path, capsys):
    source = write_folder(tmp_path / "faces", range(3))
    assert execute([*command(source, "-o", tmp_path / "shards"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "shards" / "manifest.json").read_text())
    assert printed["options"]["min_side"] == 20


def test_made_faces_go_through_with_the_options_of_the_field(tmp_path):
    write_faces(tmp_path, 3, size=256, supersample=1)
    arguments = ["pretrain", "prepare", str(tmp_path / "faces"), "-o", str(tmp_path / "shards"), "--min-side", "60"]
    assert execute(arguments) == 0
    shards = Shards.open(tmp_path / "shards")
    assert (shards.manifest.pictures, shards.manifest.points, shards.manifest.size) == (3, 5, 256)


def test_pictures_of_an_evaluation_set_are_left_out_and_its_training_pictures_are_not(tmp_path, capsys):
    root = write_300w(tmp_path / "data", train=2, val=1, test=4)
    pictures = sorted((root / "300W").rglob("*.jpg")) + sorted((root / "300W").rglob("*.png"))
    source = write_folder(tmp_path / "faces", range(3))
    for at, path in enumerate(pictures):
        (source / f"{at}{path.suffix}").write_bytes(path.read_bytes())
        (source / f"{at}.json").write_bytes((source / "00" / "00000.json").read_bytes())
    assert execute([*command(source, "-o", tmp_path / "shards", "--against", root), "--no-dedup"]) == 0
    left_out = {name.rpartition("/")[2] for name in rejections(tmp_path / "shards")}
    copies = {f"{at}{path.suffix}": path for at, path in enumerate(pictures)}
    held = {name for name, path in copies.items() if "trainset" not in path.parts}
    assert len(held) == 4
    assert held < left_out
    assert len(left_out & copies.keys()) == 5  # of the three below trainset one is val
    assert "not compared with 300w/private" in capsys.readouterr().err


def test_a_plain_folder_of_evaluation_pictures_will_do(tmp_path, capsys):
    source = write_folder(tmp_path / "faces", range(3))
    (tmp_path / "test").mkdir()
    cv2.imwrite(str(tmp_path / "test" / "x.png"), draw(1).image[..., ::-1])
    assert execute(command(source, "-o", tmp_path / "shards", "--against", tmp_path / "test")) == 0
    assert rejections(tmp_path / "shards") == {"faces/00/00001.png": "leak"}
    (tmp_path / "test" / "x.png").unlink()
    assert execute([*command(source, "-o", tmp_path / "shards", "--against", tmp_path / "test"), "--overwrite"]) == 3
    assert "neither a data set nor a picture is there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--size", "4"], 2, "--size 4: wanted 16 to 2048"),
        (["--whole", "--detect"], 2, "--whole takes pictures as they are"),
        (["--faces", "none.jsonl"], 3, "faces file none.jsonl cannot be read"),
        (["--against", "none"], 3, "--against none: no such folder"),
        (["--min-side", "5000"], 3, "no picture is left of 2 (2 small); the first: faces/00/00000.png"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing(tmp_path, capsys, options, code, said):
    source = write_folder(tmp_path / "faces", range(2))
    assert execute([*command(source, "-o", tmp_path / "shards"), *options]) == code
    error = capsys.readouterr().err
    assert error.startswith("facebench: ")
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "shards").exists()


def test_detection_without_weights_ends_before_anything_is_written(tmp_path, capsys, monkeypatch):
    pytest.importorskip("face_alignment")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    source = write_folder(tmp_path / "faces", range(1))
    assert execute([*command(source, "-o", tmp_path / "shards"), "--detect"]) == 3
    assert f"are not in {tmp_path / 'torch'}" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["faces"]


def test_a_killed_preparation_goes_on_and_ends_in_the_same_bytes(tmp_path):
    source = write_folder(tmp_path / "faces", range(10))
    assert execute(command(source, "-o", tmp_path / "whole")) == 0
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from pretrain.prepare.options import Options\n"
        "from pretrain.prepare.run import prepare\n"
        "seen = []\n"
        "def kill():\n"
        "    seen.append(1)\n"
        f"    len(seen) == 7 and os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
        "options = Options(size=64, min_side=20.0, per_shard=4)\n"
        "prepare([Path(sys.argv[1])], Path(sys.argv[2]), options, on_picture=kill)\n"
    )
    out = tmp_path / "shards"
    killed = subprocess.run([sys.executable, "-c", program, str(source), str(out)], cwd=ROOT, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    assert (tmp_path / ".shards.partial" / "set" / ".000001.tar.part").exists()
    assert execute(command(source, "-o", out)) == 0
    assert contents(out) == contents(tmp_path / "whole")
