"""HRNet's csv: both headers, and every way a table can be broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.datasets.hrnet_csv import read_hrnet_csv
from facebench.errors import DataError
from tests.datasets.trees import points, write_hrnet_csv

HEAD = "image,scale,center_w,center_h,x0,y0,x1,y1"


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "faces.csv"
    file.write_text(text)
    return file


@pytest.mark.parametrize("original", [False, True])
def test_both_headers(tmp_path: Path, original: bool) -> None:
    faces = [("a/b.jpg", points(5)), ("c d.png", points(5, x=-3.25))]
    rows = read_hrnet_csv(write_hrnet_csv(tmp_path / "f.csv", faces, original=original), 5)
    assert [row.image for row in rows] == ["a/b.jpg", "c d.png"]
    assert [row.where.rsplit(":")[-1] for row in rows] == ["2", "3"]
    for row, (_, face) in zip(rows, faces, strict=True):
        assert np.array_equal(row.points, face)


def test_box_size_column_and_quoted_name(tmp_path: Path) -> None:
    text = 'image,scale,box_size,center_w,center_h,x0,y0,x1,y1\n"a, b.jpg",1,200,5,6,1,2,3,4\n\n'
    (row,) = read_hrnet_csv(write(tmp_path, text), 2)
    assert row.image == "a, b.jpg"
    assert row.points.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "faces.csv:1: no header"),
        ("a.jpg,1,2,3,1,2,3,4\n", "faces.csv:1: no header"),
        ("image,scale,center_w,center_h,x0,y0\n", "header has 6 columns, expected 8"),
        ("image,scale,center_w,who,x0,y0,x1,y1\n", "header has 8 columns"),
        ("image,scale,center_w,center_h,x0,x1,y0,y1\n", "do not alternate"),
        (f"{HEAD}\na.jpg,1,2,3,1,2,3\n", "faces.csv:2: 7 columns, expected 8"),
        (f"{HEAD}\na.jpg,1,2,3,1,2,3,4\nb.jpg,1,2,3,1,2,3,4,5\n", "faces.csv:3: 9 columns, expected 8"),
        (f"{HEAD}\na.jpg,1,2,3,1,2,=cmd(),4\n", "faces.csv:2: '=cmd()' is not a number"),
        (f"{HEAD}\na.jpg,1,2,3,1,2,nan,4\n", "faces.csv:2: number 3 is 'nan'"),
        (f"{HEAD}\na.jpg,1,2,3,1,2,,4\n", "faces.csv:2: '' is not a number"),
        (f"{HEAD}\n=HYPERLINK(1),1,2,3,1,2,3,4\n", "faces.csv:2: image path '=HYPERLINK(1)'"),
        (f"{HEAD}\n../../etc/passwd,1,2,3,1,2,3,4\n", "faces.csv:2: image path '../../etc/passwd'"),
        (f"{HEAD}\n/etc/passwd,1,2,3,1,2,3,4\n", "faces.csv:2: image path"),
        (f"{HEAD}\na\\..\\..\\b.jpg,1,2,3,1,2,3,4\n", "faces.csv:2: image path"),
        (f"{HEAD}\nC:\\b.jpg,1,2,3,1,2,3,4\n", "faces.csv:2: image path"),
        (f"{HEAD}\n,1,2,3,1,2,3,4\n", "faces.csv:2: image path ''"),
        (f'{HEAD}\n"{"x" * 200_000}",1,2,3,1,2,3,4\n', "not a csv line"),
    ],
)
def test_broken(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read_hrnet_csv(write(tmp_path, text), 2)
    assert said in str(caught.value)
