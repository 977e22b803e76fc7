"""`facebench pretrain` and `facebench run --checkpoints`: from made pictures to a table, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facebench.cli import execute
from facebench.synth.write import write_faces
from tests.drawn_faces import write_300w

CONFIG = """
method: paco-fr
encoder: {arch: test_vit, img_size: 32}
codebook: {size: 8, candidates: 2, key_dim: 4}
decoder: {width: 16, depth: 1, heads: 2}
data: {workers: 0}
optim: {batch: 8, steps: 4, base_lr: 0.01}
run: {log_every: 2, save_every: 2, export_every: 2, picture_every: 2, tensorboard: false}
"""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faces")
    faces = write_faces(root, 24, seed=3, size=64)
    sizes = ["--size", "48", "--min-side", "10"]
    assert execute(["pretrain", "prepare", str(faces), "-o", str(root / "shards"), *sizes]) == 0
    return root / "shards"


@pytest.fixture
def words(tmp_path: Path, shards: Path) -> list[str]:
    (tmp_path / "mine.yaml").write_text(CONFIG)
    output = f"run.output={tmp_path / 'run'}"
    return ["pretrain", "train", str(tmp_path / "mine.yaml"), f"data.shards={shards}", output, "--device", "cpu"]


def test_from_pictures_to_an_encoder(tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(words) == 0
    out, err = capsys.readouterr()
    encoder = tmp_path / "run" / "encoders" / "step-00000004.safetensors"
    assert out.strip() == str(encoder)
    assert "arch: test_vit" in err, "the resolved configuration is shown"
    assert "24 pictures" in err
    assert "step 4" in err
    assert f"facebench run -b paco-fr:{encoder}" in err
    assert execute(words) == 0, "a finished run is called again"

    assert (
        execute(["pretrain", "export", str(tmp_path / "run"), "-o", str(tmp_path / "x.safetensors"), "--teacher"]) == 0
    )
    assert "paco-fr-reconstruction test_vit, step 4" in capsys.readouterr().err
    assert execute(["pretrain", "export", str(tmp_path / "run"), "-o", str(tmp_path / "y.st"), "--dtype", "fp16"]) == 0


@pytest.mark.parametrize(
    ("word", "code", "message"),
    [
        ("optim.bach=3", 2, "did you mean 'optim.batch'"),
        ("optim.batch=many", 2, "optim.batch"),
        ("data.shards=gone", 3, "facebench pretrain prepare"),
        ("encoder.img_size=33", 2, "not a multiple of the patch"),
        ("encoder.arch=vit_tiny", 2, "timm knows no model"),
        ("codebook.size=4096", 2, "4096 tokens are more than the 96 patches"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    words: list[str], word: str, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute([*words, word]) == code
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("facebench: ")
    assert message in last
    assert execute(words) == 0, "the folder is not lost for what was meant"


def test_a_run_with_other_settings_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(words) == 0
    assert execute([*words, "run.seed=1"]) == 2
    assert "run.seed was 0, is 1" in capsys.readouterr().err


def test_nothing_to_export_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["pretrain", "export", str(tmp_path), "-o", str(tmp_path / "x.safetensors")]) == 2
    assert "holds no checkpoint" in capsys.readouterr().err


@pytest.mark.slow
def test_the_course_of_a_training(tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(words) == 0
    data = write_300w(tmp_path, train=20, val=4, test=6)
    pattern = str(tmp_path / "run" / "encoders" / "*.safetensors")
    run = ["run", "--checkpoints", pattern, "-e", "300w", "--data", str(data), "-o", str(tmp_path / "runs")]
    capsys.readouterr()
    assert execute([*run, "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    course = out[out.index("300w test: the course of training") :].splitlines()
    assert course[1].split()[:3] == ["checkpoint", "step", "epoch"]
    assert course[1].split()[-2:] == ["perplexity", "used"]
    assert [line.split("safetensors)")[1].split()[:2] for line in course[2:4]] == [["2", "0.67"], ["4", "1.33"]]
    assert execute([*run, "-b", f"paco-fr:{tmp_path / 'run/checkpoints/step-00000004.pt'}", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    by_name = {row["subject"]: row for row in rows}
    exported, during = (
        next(row for name, row in by_name.items() if f"step-00000004.{kind}" in name) for kind in ("safetensors", "pt")
    )
    assert exported["backbone"]["sha256"] == during["backbone"]["sha256"]
    assert [s["value"] for s in exported["scores"]] == [s["value"] for s in during["scores"]]


def test_a_pattern_that_matches_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["run", "--checkpoints", str(tmp_path / "*.safetensors")]) == 2
    assert "matches no file" in capsys.readouterr().err
