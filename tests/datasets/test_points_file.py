"""The `.pts` reader: every spelling that packages use, and every way a file can be broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.datasets.points_file import read_pts
from facebench.errors import DataError
from tests.datasets.trees import points, pts_text

FACE = points(3)
BODY = "10.0 20.0\n10.25 20.5\n10.5 21.0"


def read(tmp_path: Path, text: str) -> list[list[float]]:
    file = tmp_path / "face.pts"
    file.write_bytes(text.encode())
    return read_pts(file, 3).tolist()


@pytest.mark.parametrize(
    "text",
    [
        f"version: 1\nn_points: 3\n{{\n{BODY}\n}}\n",
        f"version: 1\nn_points:  3\n{{\n{BODY}\n}}",  # two spaces, no last line end: the real files
        f"n_points: 3\nversion: 1\n{{\n{BODY}\n}}\n",
        f"n_points:3\n{{\n{BODY}\n}}\n",
        f"\ufeffversion: 1\nn_points: 3\n{{\n{BODY}\n}}\n",  # byte order mark
        f"version: 1\nn_points: 3\n{{\n{BODY}\n}}\n".replace("\n", "\r\n"),
        f"version: 1\nn_points: 3\n\n{{\n{BODY}\n\n}}\n\n",
        f"version: 1 \nn_points: 3 \n{{ \n {BODY}\t\n }} \n".replace("0 2", "0 \t 2"),
        f"Version: 1\nN_points: 3\n{{\n{BODY}\n}}\n",
    ],
)
def test_spellings(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == [[10.0, 20.0], [10.25, 20.5], [10.5, 21.0]]


def test_numbers_outside_the_picture_are_kept(tmp_path: Path) -> None:
    assert read(tmp_path, "n_points: 3\n{\n-5 1e4\n0 0\n-0.5 2\n}\n")[0] == [-5.0, 10000.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "opening brace"),
        (f"version: 1\nn_points: 3\n{BODY}\n", "opening brace"),
        (f"version: 1\nn_points: 3\n{{\n{BODY}\n", "cut short"),
        (f"n_points: 3\n{{\n{BODY}\n}}\n1 2\n", "face.pts:7: text after the closing brace"),
        (f"n_points: 4\n{{\n{BODY}\n}}\n", "3 points, n_points says 4, expected 3"),
        ("n_points: 2\n{\n1 2\n3 4\n}\n", "2 points, n_points says 2, expected 3"),
        ("n_points: 3\n{\n1 2\n3 nan\n5 6\n}\n", "face.pts:4: number 2 is 'nan'"),
        ("n_points: 3\n{\n1 2\n3 4\ninf 6\n}\n", "face.pts:5: number 1 is 'inf'"),
        ("n_points: 3\n{\n1 2\n3 4 5\n5 6\n}\n", "face.pts:4: 3 numbers, expected x and y"),
        ("n_points: 3\n{\n1 2\n=cmd() 4\n5 6\n}\n", "face.pts:4: '=cmd()' is not a number"),
        ("n_points: three\n{\n1 2\n3 4\n5 6\n}\n", "face.pts:1: n_points is 'three'"),
        ('<!DOCTYPE lol [<!ENTITY a "b">]>\n{\n1 2\n3 4\n5 6\n}\n', "face.pts:1"),
    ],
)
def test_broken(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)


def test_binary_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "face.pts").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(DataError, match="not a text file"):
        read_pts(tmp_path / "face.pts", 3)
    with pytest.raises(DataError, match="does not exist"):
        read_pts(tmp_path / "none.pts", 3)


def test_writer_and_reader_agree_with_numpy(tmp_path: Path) -> None:
    face = points(68)
    file = tmp_path / "face.pts"
    file.write_text(pts_text(face))
    other = np.loadtxt(file, skiprows=3, comments="}")
    assert np.array_equal(read_pts(file, 68), other)
    assert np.array_equal(other, face)
