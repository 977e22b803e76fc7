"""MeshLab landmark files: the official numbers, a reader by lines as witness, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from facebench.errors import DataError
from facebench.geometry.picked_points import read_picked_points

GOLDEN = Path(__file__).parents[1] / "golden" / "protocol_golden.json"
CASE = {case["id"]: case for case in json.loads(GOLDEN.read_text("utf-8"))["cases"]}["now.load_pp"]
TEXT: str = CASE["inputs"]["file_text"]


def read(tmp_path: Path, text: str) -> np.ndarray:
    (tmp_path / "scan.pp").write_text(text, "utf-8")
    return read_picked_points(tmp_path / "scan.pp")


def by_lines(text: str) -> np.ndarray:
    """Lines 9 to 15, x, y and z wherever they stand, in single precision."""
    rows = [[re.search(rf' {axis}="([^"]*)"', line)[1] for axis in "xyz"] for line in text.splitlines()[8:15]]  # type: ignore[index]
    return np.array(rows, dtype=np.float32)


def test_official_outputs(tmp_path: Path) -> None:
    found = read(tmp_path, TEXT)
    np.testing.assert_array_equal(found.astype(np.float32), np.array(CASE["expected"]["landmarks"], dtype=np.float32))
    assert found.dtype == np.float64


def test_attributes_in_any_order_and_single_precision(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = TEXT.splitlines()
    for k in range(7):
        x, y, z = (rng.normal(size=3) * 50).tolist()
        lines[8 + k] = f' <point z="{z!r}" name="{k}" y="{y!r}" active="0" x="{x!r}"/>'
    text = "\n".join(lines)
    np.testing.assert_array_equal(read(tmp_path, text), by_lines(text).astype(np.float64))


def test_another_header_is_read_right(tmp_path: Path) -> None:
    # A reader by lines would take six points and the closing tag.
    shorter = TEXT.replace('  <User name="x"/>\n', "")
    np.testing.assert_array_equal(read(tmp_path, shorter), read(tmp_path, TEXT))


ENTITY = '<!DOCTYPE p [<!ENTITY a "1"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.replace("<!DOCTYPE PickedPoints>", ENTITY), "EntitiesForbidden"),
        (
            TEXT.replace("<!DOCTYPE PickedPoints>", '<!DOCTYPE p [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
            "Forbidden",
        ),
        (re.sub(r' <point active="1" name="6".*\n', "", TEXT), "holds 6 points"),
        (TEXT.replace("</PickedPoints>", '<point x="1" y="1" z="1"/></PickedPoints>'), "holds 8 points"),
        (TEXT.replace('x="-45.0000"', 'x="nan"'), "'0' is not finite"),
        (TEXT.replace('x="-45.0000"', 'x="left"'), "'0' lacks a number"),
        (TEXT.replace('x="-45.0000"', ""), "'0' lacks a number"),
        (TEXT[: len(TEXT) // 2], "not a MeshLab"),
        ("", "not a MeshLab"),
    ],
)
def test_damaged_or_hostile(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_picked_points(tmp_path / "gone.pp")
