"""`facebench data synth`: what it prints, and how it ends."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.cli import execute
from facebench.images import image_size
from facebench.registry import Registry

SMALL = ("--size", "32", "--seed", "1")


def test_it_prints_the_folder_and_says_what_to_type_next(tmp_path, capsys):
    assert execute(["data", "synth", "lapa", "--train", "2", "--test", "1", *SMALL, "-o", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{tmp_path / 'LaPa'}\n"
    assert f"next: facebench run -e lapa --data {tmp_path}" in printed.err
    (sample,) = Registry(()).get("datasets", "lapa").samples(tmp_path, "test")
    assert image_size(sample.image) == (32, 32)


def test_options_reach_the_writer(tmp_path):
    arguments = ["data", "synth", "lapa", "--train", "3", "--test", "1", "--val", "2", *SMALL, "--workers", "1"]
    assert execute([*arguments, "-o", str(tmp_path)]) == 0
    assert execute([*arguments, "-o", str(tmp_path)]) == 3
    assert execute([*arguments, "-o", str(tmp_path), "--overwrite"]) == 0
    lapa = Registry(()).get("datasets", "lapa")
    assert [len(lapa.samples(tmp_path, split)) for split in ("train", "val", "test")] == [3, 2, 1]


def test_ids_are_those_of_the_split_that_is_scored(tmp_path, capsys):
    """NoW is scored on its validation list; the official test list holds pictures alone, and is not drawn."""
    assert execute(["data", "synth", "now", "--train", "2", "--test", "4", *SMALL, "-o", str(tmp_path)]) == 0
    capsys.readouterr()
    assert execute(["data", "ids", "now", "--data", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_verify_says_that_a_set_is_drawn(tmp_path, capsys):
    assert execute(["data", "synth", "lapa", "--train", "1", "--test", "1", *SMALL, "-o", str(tmp_path)]) == 0
    capsys.readouterr()
    assert execute(["data", "verify", "lapa", "--data", str(tmp_path)]) == 3
    assert "lapa is not as published (it was drawn by `data synth`): 3 faults" in capsys.readouterr().err


def test_faces_without_labels(tmp_path, capsys):
    assert execute(["data", "synth", "faces", "-n", "2", *SMALL, "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'faces'}\n"
    assert len(list((tmp_path / "faces").rglob("*.jpg"))) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["wflv", "--train", "1", "--test", "1"], "unknown layout 'wflv'; did you mean 'wflw'?"),
        (["wflw", "--train", "0", "--test", "1"], "--train 0: a set has at least one face"),
        (["wflw", "--train", "1", "--test", "-1"], "--test -1: a set has at least one face"),
        (["wflw"], "data synth wflw needs --train and --test"),
        (["wflw", "--train", "1"], "data synth wflw needs --train and --test"),
        (["wflw", "--train", "1", "--test", "1", "-n", "3"], "data synth wflw has no -n"),
        (["faces"], "data synth faces needs -n"),
        (["faces", "-n", "0"], "-n 0: a set has at least one face"),
        (["faces", "-n", "1", "--val", "3", "--train", "1"], "data synth faces has no --train and --val"),
    ],
)
def test_bad_orders_are_one_line_and_exit_2(tmp_path, capsys, arguments, said):
    assert execute(["data", "synth", *arguments, "-o", str(tmp_path / "new")]) == 2
    assert capsys.readouterr().err == f"facebench: {said}\n"
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_written_is_one_line_and_exits_3(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    arguments = ["data", "synth", "wflw", "--train", "1", "--test", "1", "-o", str(tmp_path / "file")]
    assert execute(arguments) == 3
    error = capsys.readouterr().err
    assert error.startswith("facebench: cannot write")
    assert error.count("\n") == 1


def test_the_folder_in_the_next_command_is_quoted(tmp_path, capsys):
    place = tmp_path / "my data"
    assert execute(["data", "synth", "lapa", "--train", "1", "--test", "1", *SMALL, "-o", str(place)]) == 0
    assert f"--data '{place}'" in capsys.readouterr().err


def test_a_group_of_slices_is_scored_like_a_split(tmp_path, capsys):
    # Every point of every face is a pixel off.
    assert execute(["data", "synth", "300w", "--train", "1", "--test", "6", *SMALL, "-o", str(tmp_path)]) == 0
    samples = Registry(()).get("datasets", "300w").samples(tmp_path, "test")
    group = next(name for name in sorted(samples[0].subsets) if name.startswith("yaw="))
    members = [s for s in samples if group in s.subsets]
    predictions = tmp_path / "p.npz"
    np.savez(predictions, ids=[s.id for s in samples], points=[s.target.points + np.array([1, 0]) for s in samples])
    capsys.readouterr()
    assert execute(["score", "300w", str(predictions), "--data", str(tmp_path), "--split", group]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(group)).split()
    nme = np.mean([100 / np.linalg.norm(s.target.points[45] - s.target.points[36]) for s in members])
    assert row[1] == str(len(members))
    assert float(row[2]) == pytest.approx(nme, rel=1e-2)


def test_a_group_that_no_sample_is_in_is_named_with_those_that_are_there(tmp_path, capsys):
    assert execute(["data", "synth", "lapa", "--train", "1", "--test", "1", *SMALL, "-o", str(tmp_path)]) == 0
    capsys.readouterr()
    assert execute(["data", "ids", "lapa", "--data", str(tmp_path), "--split", "yaw=profil"]) == 3
    message = capsys.readouterr().err
    assert "lapa/yaw=profil: no sample found" in message
    assert "yaw=" in message.partition("subsets with samples: ")[2]
