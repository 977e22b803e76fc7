"""Mesh files: every form of OBJ that is met, a line-by-line reader as witness, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from facebench.errors import DataError
from facebench.geometry import obj_text
from facebench.geometry.mesh_io import read_mesh
from facebench.geometry.obj_text import parse_obj

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"


def read(tmp_path: Path, text: str | bytes, name: str = "mesh.obj") -> tuple[list, list]:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    mesh = read_mesh(path)
    assert mesh.vertices.dtype == np.float64
    assert mesh.faces.dtype == np.int64
    return mesh.vertices.tolist(), mesh.faces.tolist()


def line_by_line(text: str) -> tuple[list, list]:
    vertices: list[list[float]] = []
    faces: list[list[int]] = []
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["v"]:
            vertices.append([float(word) for word in words[1:4]])
        if words[:1] == ["f"]:
            numbers = [int(word.split("/")[0]) for word in words[1:]]
            corners = [n - 1 if n > 0 else len(vertices) + n for n in numbers]
            faces += [[corners[0], corners[i], corners[i + 1]] for i in range(1, len(corners) - 1)]
    return vertices, faces


@pytest.mark.parametrize(
    "text",
    [
        TRIANGLE + "f 1 2 3\n",
        TRIANGLE + "f 1 2 3",  # no last newline
        TRIANGLE.replace("\n", "\r\n") + "f 1 2 3\r\n",
        "# made by hand\nmtllib a/b.mtl\no head\n" + TRIANGLE + "vt 0 0\nvn 0 0 1\ns off\ng x\nf 1/1/1 2/1/1 3/1/1\n",
        TRIANGLE + "f 1//1 2//1 3//1\n",
        TRIANGLE + "f 1/1 2/1 3/1\n",
        TRIANGLE + "f -3 -2 -1\n" + TRIANGLE + "f -3 -2 -1\nf 1 2 -1\n",
        TRIANGLE + "v 1 1 0\nf 1 2 4 3\nf 1 2 3\nf 1 2 4 3\n",
        TRIANGLE + "v 1 1 0\nv 2 2 0\nf 1 2 5 4 3\n",
        "v 0 0 0 0.5 0.5 0.5\nv 1 0 0 1\nv 0 1 0\nf 1 2 3 # colours, a weight, none\n",
        "  v 0 0 0\n\tv\t1 0 0\nv  0   1 0  \n\n\nf  1  2 3 \n",
        "v -1.5e-3 +2E2 .5\nv 1e0 1. 0\nv 0 1 -0\nf 1 2 3\n",
        TRIANGLE + "f 1/2/3 2 3//4\n",
    ],
)
def test_forms_of_obj(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == line_by_line(text)


def test_colours_do_not_reach_the_mesh(tmp_path: Path) -> None:
    # The official reader would make four vertices of these twelve numbers (now_evaluation issue 22).
    coloured = "v 1 2 3 9 9 9\nv 4 5 6 9 9 9\nv 7 8 9 9 9 9\nf 1 2 3\n"
    assert read(tmp_path, coloured)[0] == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_a_continued_line(tmp_path: Path) -> None:
    assert read(tmp_path, TRIANGLE + "f 1 2 \\\n3\n")[1] == [[0, 1, 2]]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_numbers_are_those_of_python(data: st.DataObject) -> None:
    number = st.floats(-1e6, 1e6, width=64)
    rows = data.draw(st.lists(st.lists(number, min_size=3, max_size=7), min_size=3, max_size=12))
    corner = st.integers(1, len(rows))
    polygons = data.draw(st.lists(st.lists(corner, min_size=3, max_size=6), min_size=1, max_size=6))
    mark = data.draw(st.sampled_from(["", "/1", "//2", "/3/4"]))
    lines = [f"v {' '.join(map(repr, row))}" for row in rows]
    lines += [f"f {' '.join(f'{c}{mark}' for c in polygon)}" for polygon in polygons]
    text = "\n".join(lines)
    mesh = parse_obj(text.encode(), Path("drawn.obj"))
    assert (mesh.vertices.tolist(), mesh.faces.tolist()) == line_by_line(text)


@pytest.mark.parametrize("name", ["flame_template/data/head_template.obj", "flame_fitting_scan/data/scan.obj"])
def test_real_files(shared_data: Path, name: str) -> None:
    path = shared_data / name
    mesh = read_mesh(path)
    vertices, faces = line_by_line(path.read_text("utf-8"))
    np.testing.assert_array_equal(mesh.vertices, vertices)
    np.testing.assert_array_equal(mesh.faces, faces)


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_ply_keeps_every_vertex_in_place(tmp_path: Path, encoding: str) -> None:
    # Two corners in one place must not be merged: landmarks and faces are by index.
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [5, 5, 5.0]])
    mesh = trimesh.Trimesh(vertices, [[0, 1, 2], [3, 2, 1]], process=False)
    (tmp_path / "mesh.ply").write_bytes(trimesh.exchange.ply.export_ply(mesh, encoding=encoding))
    found = read_mesh(tmp_path / "mesh.ply")
    np.testing.assert_array_equal(found.vertices, vertices)
    assert found.faces.tolist() == [[0, 1, 2], [3, 2, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty: 0 vertices and 0 faces"),
        ("\n\n", "empty"),
        ("# nothing\n", "empty"),
        (TRIANGLE, "empty: 3 vertices and 0 faces"),
        ("f 1 2 3\n", "empty: 0 vertices and 1 faces"),
        (TRIANGLE + "v nan 0 0\nf 1 2 3\n", "1 vertices that are not finite, the first is number 4"),
        (TRIANGLE + "v 0 inf 0\nf 1 2 3\n", "not finite"),
        (TRIANGLE + "f 1 2 4\n", "names vertex 4 of 3"),
        (TRIANGLE + "f 1 2 -4\n", "names vertex 0 of 3"),
        (TRIANGLE + "f 0 1 2\n", "mesh.obj:4: a face names vertex 0; OBJ indices start at 1"),
        (TRIANGLE + "f 1 2 3\nf 1 2\n", "mesh.obj:5: a face with 2 numbers"),
        ("v 0 0 0\nv 1 0", "mesh.obj:2: a vertex with 2 numbers"),
        (TRIANGLE + "v 1 one 2\nf 1 2 3\n", "mesh.obj:4: 'one' in a vertex is not a number"),
        (TRIANGLE + "v 1 2-3 4\nf 1 2 3\n", "mesh.obj:4: '2-3'"),
        (TRIANGLE + "v 1.2.3 4 5\nf 1 2 3\n", "mesh.obj:4: '1.2.3'"),
        (TRIANGLE + "f 1 2 3.5\n", "mesh.obj:4: '3.5' in a face is not a number"),
        (TRIANGLE + "f 1 2 /3\n", "in a face is not a number"),
        (TRIANGLE + f"v 1 2 {'3' * 100}\nf 1 2 3\n", "100 characters"),
    ],
)
def test_damaged_obj(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


def test_a_file_cut_anywhere_never_goes_unseen_before_its_last_face(tmp_path: Path) -> None:
    text = "".join(f"v {i} {i + 1} {i + 2}\n" for i in range(12)) + "f 10 11 12\n"
    for length in range(0, len(text) - len(" 12\n"), 3):
        with pytest.raises(DataError):
            read(tmp_path, text[:length])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable PLY"),
        (b"ply\nformat ascii 1.0\nelement vertex 3\n", "not a readable PLY"),
        (b"not a mesh at all", "not a readable PLY"),
        (
            b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
            b"element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\nnan 0 0\n0 1 0\n3 0 1 2\n",
            "not finite",
        ),
        (
            b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
            b"element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n",
            "names vertex 8 of 3",
        ),
        (
            b"ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty float z\n"
            b"end_header\n0 0 0\n1 0 0\n",
            "empty",
        ),
    ],
)
def test_damaged_ply(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, content, "mesh.ply")


def test_missing_and_unknown(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_mesh(tmp_path / "gone.obj")
    with pytest.raises(DataError, match=r"read from \.obj or \.ply"):
        read_mesh(tmp_path / "mesh.stl")
    (tmp_path / "folder.obj").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        read_mesh(tmp_path / "folder.obj")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), st.sampled_from(
    ["{!r}", "{:.8f}", "{:.18e}", "{:g}", "{:.17g}", "{:+.3E}"]))  # fmt: skip
def test_plain_numbers_round_as_float_does(values: list[float], form: str) -> None:
    words = [form.format(v) for v in values]
    if max(map(len, words)) > 60:
        return
    found = parse_obj(f"v {' '.join(words)}\nv 1 0 0\nv 0 1 0\nf 1 2 3\n".encode(), Path("mesh.obj"))
    assert found.vertices[0].tolist() == [float(word) for word in words]


@pytest.mark.parametrize(
    "text",
    [
        "v 0 0 0\r\nv 1 0 0\r\nv 0 1 0\r\nf 1 2 3\r\n",
        "# made\n\no head\nv 0 0 0 0.5 0.5 0.5\n v 1 0 0 # last\nvn 0 0 1\nv\t0 1 0\nf 1//1 2//1 3//1",
        "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf -4 -3 -2 -1\n",
        "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1/1 2/2 3/3 4/4\ns off\nusemtl x\n",
        "v 0 0 0\nv 1 \\\n0 0\nv 0 1 0\nf 1 2 3\n",
        "v 0.30000000000000004 12345678901234567890 1e-300\nv -0 +1 .5\nv 5. 1 0\nf 1 2 3\n",
    ],
)
def test_both_readers_of_obj_agree(text: str) -> None:
    general = obj_text._parse_any(text.encode(), Path("mesh.obj"))
    plain = obj_text._parse_plain(text.encode())
    assert plain is not None or "\\" in text
    for found in filter(None, (plain, parse_obj(text.encode(), Path("mesh.obj")))):
        np.testing.assert_array_equal(found.vertices, general.vertices)
        np.testing.assert_array_equal(found.faces, general.faces)
