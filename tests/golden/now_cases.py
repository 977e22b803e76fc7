"""The NoW protocol, step by step and whole, against the official code."""

from __future__ import annotations

import ast
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from facebench.geometry.similarity import fit_similarity
from facebench.geometry.surface import Surface, degenerate_faces
from facebench.metrics import scan_fit
from facebench.metrics.scan import aggregate, crop_scan, cumulative, face_sphere, scan_distances
from facebench.types import Mesh, Scan
from tests.golden.case import Case

OPERATIONS: Mapping[type[ast.operator], Callable[[np.ndarray, np.ndarray], Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.MatMult: np.matmul,
}  # fmt: skip


def _value(case: Case, *names: str) -> np.ndarray:
    """An input by name, which may be an expression over others: `scan_v*[1.05, 0.97, 1.02]`."""
    for name in names:
        if name in case.inputs:
            value = case.inputs[name]
            return _expression(case, value) if isinstance(value, str) else np.asarray(value)
    raise KeyError(f"{case.id} has none of the inputs {names}; it has {sorted(case.inputs)}")


def _expression(case: Case, text: str) -> np.ndarray:
    """Sums, products and matrix products of inputs, lists and numbers; nothing else is read, let alone run."""
    known = {**case.shared, **case.inputs}

    def value(node: ast.expr) -> np.ndarray:
        match node:
            case ast.BinOp(left, op, right) if type(op) in OPERATIONS:
                return np.asarray(OPERATIONS[type(op)](value(left), value(right)))
            case ast.UnaryOp(ast.USub(), operand):
                return -value(operand)
            case ast.Attribute(operand, "T"):
                return value(operand).T
            case ast.List(parts) | ast.Tuple(parts):
                return np.array([value(part) for part in parts])
            case ast.Constant(int() | float() as number):
                return np.asarray(number, dtype=np.float64)
            case ast.Name(name) if name in known:
                found = known[name] if known[name] != text else case.shared.get(name)
                return _expression(case, found) if isinstance(found, str) else np.asarray(found, dtype=np.float64)
        raise AssertionError(f"{case.id}: cannot read {ast.unparse(node)!r} in {text!r}")

    return value(ast.parse(text.strip(), mode="eval").body)


def _faces(case: Case, *names: str) -> np.ndarray:
    """Faces by input name, or those that go with the vertices of an expression (`ico2_v` has `ico2_f`)."""
    if any(name in case.inputs for name in names):
        return _value(case, *names).astype(np.int64)
    named = [re.match(r"\w+", v) for v in case.inputs.values() if isinstance(v, str)]
    bases = [m[0] for m in named if m and m[0].endswith("_v")]
    return np.asarray(case.shared[f"{bases[0][:-1]}f"], dtype=np.int64)


def _describe(distances: np.ndarray) -> dict[str, Any]:
    summary = aggregate([distances])
    return {
        "dist": distances, "distances": distances, "n": len(distances), "median": summary.median,
        "mean": summary.mean, "std": summary.std, "max": distances.max(), "min": distances.min(),
    }  # fmt: skip


def procrustes(case: Case) -> Mapping[str, Any]:
    """Landmarks onto landmarks; a mirrored set is accepted with determinant -1."""
    scaling = case.inputs.get("scaling", case.params.get("scaling", True))
    reflection = case.inputs.get("reflection", case.params.get("reflection", "best"))
    if reflection != "best":
        return _forced(_value(case, "X"), _value(case, "Y"), scaling=bool(scaling), reflected=bool(reflection))
    found = fit_similarity(_value(case, "Y"), _value(case, "X"), scale=bool(scaling))
    return {
        "d": found.disparity,
        "Z": found.apply(_value(case, "Y")),
        "rotation": found.rotation,
        "det": float(np.linalg.det(found.rotation)),
        "scale": found.scale,
        "translation": found.translation,
    }


def _forced(x: np.ndarray, y: np.ndarray, *, scaling: bool, reflected: bool) -> Mapping[str, Any]:
    """The official function told to reflect, or not to; the protocol never does. Kabsch's sign on the last axis."""
    centred = [a - a.mean(axis=0) for a in (x, y)]
    sizes = [np.linalg.norm(a) for a in centred]
    left, singular, right = np.linalg.svd((centred[0] / sizes[0]).T @ (centred[1] / sizes[1]))
    if reflected != (np.linalg.det(right.T @ left.T) < 0):
        singular[-1], right[-1] = -singular[-1], -right[-1]
    rotation, overlap, ratio = right.T @ left.T, singular.sum(), sizes[1] / sizes[0]
    scale = overlap / ratio if scaling else 1.0
    translation = x.mean(axis=0) - scale * y.mean(axis=0) @ rotation
    return {
        "d": 1 - overlap**2 if scaling else 1 + ratio**2 - 2 * overlap * ratio,
        "Z": scale * y @ rotation + translation, "rotation": rotation, "det": float(np.linalg.det(rotation)),
        "scale": scale, "translation": translation,
    }  # fmt: skip


def compute_mask(case: Case) -> Mapping[str, Any]:
    """Centre and radius of the part that counts; the official reader's single precision included."""
    sphere = face_sphere(_value(case, "landmarks_float32", "landmarks", "scan_lmk"))
    # The Stirling evaluation of FG 2018 takes 1.2 where NoW takes 1.4.
    radius = sphere.radius * (1.2 / 1.4 if re.search("fg_?2018|stirling", case.id, re.IGNORECASE) else 1)
    dtype = case.expected.get("dtype")
    assert dtype in (None, "float32"), dtype
    return {"face_centre": sphere.centre, "radius": radius, "dtype": dtype}


def crop(case: Case) -> Mapping[str, Any]:
    """Vertices and faces of the scan within the sphere."""
    mesh = Mesh(_value(case, "v", "scan_v").astype(np.float64), _faces(case, "f", "scan_f"))
    kept = crop_scan(mesh, face_sphere(_value(case, "landmarks_float32", "landmarks", "scan_lmk")))
    ids = kept.kept.tolist()
    found: dict[str, Any] = {"n_vertices": len(ids), "n_faces": len(kept.mesh.faces), "kept_ids_sum": sum(ids)}
    return found | {key: ids[: int(m[1])] for key in case.expected if (m := re.fullmatch(r"kept_ids_first(\d+)", key))}


def static(case: Case) -> Mapping[str, Any]:
    """Distances of points to a surface, without any alignment."""
    points = _value(case, "query", "scan_v", "scan").astype(np.float64)
    mesh = Mesh(_value(case, "v", "pred_v", "pred").astype(np.float64), _faces(case, "f", "pred_f"))
    return _describe(Surface(mesh).closest(points).distances)


@contextmanager
def _counted_steps() -> Iterator[list[int]]:
    """How often the optimiser linearised: once at the start of each step that it then accepted."""
    count = [0]

    def counting(*args: Any) -> Any:
        count[0] += 1
        return linearise(*args)

    linearise = scan_fit.normal_equations
    with mock.patch.object(scan_fit, "normal_equations", counting):
        yield count


def full(case: Case) -> Mapping[str, Any]:
    """The whole protocol on one scan, stopping where the official optimiser stops."""
    scan = Scan(Mesh(_value(case, "scan_v").astype(np.float64), _faces(case, "scan_f")), _value(case, "scan_lmk"))
    pred = Scan(Mesh(_value(case, "pred_v").astype(np.float64), _faces(case, "pred_f")), _value(case, "pred_lmk"))
    metrical = re.search(r"\.metric(al)?\b", case.id) is not None
    unit = case.inputs.get("unit", case.params.get("unit", "m")) if metrical else None
    with _counted_steps() as steps:
        distances = scan_distances(scan, pred, mode="reference", metrical=unit)
    # The official code prints its objective where it starts and after every accepted step.
    return _describe(distances) | {"objective_evaluations_printed": steps[0] + 1}


def pooled(case: Case) -> Mapping[str, Any]:
    """All distances of all images together, and the curve at the left bin edges."""
    lists = [np.atleast_1d(np.asarray(d, dtype=np.float64)) for d in case.inputs["distances"]]
    summary = aggregate(lists)
    curve = cumulative(lists, bins=int(case.inputs.get("nbins", case.params.get("nbins", 100_000))))
    return {
        "median": summary.median, "mean": summary.mean, "std": summary.std,
        "base": curve.errors, "cumulative": curve.percent,
    }  # fmt: skip


def clean(case: Case) -> Mapping[str, Any]:
    """Triangles without area, which the official code can remove but by default does not."""
    mesh = Mesh(_value(case, "v").astype(np.float64), _faces(case, "f"))
    return {"faces": mesh.faces[~degenerate_faces(mesh)]}


def picked_points(case: Case) -> Mapping[str, Any]:
    """Landmarks of a MeshLab file; the official reader's single precision is its own."""
    from facebench.geometry.picked_points import read_picked_points

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "landmarks.pp"
        path.write_text(case.inputs["file_text"], encoding="utf-8")
        points = read_picked_points(path)
    return {"landmarks": np.asarray(points, dtype=np.float32), "dtype": "float32"}


FAMILIES = (
    (r"^now\.procrustes", procrustes),
    (r"^now\.compute_mask", compute_mask),
    (r"^now\.crop", crop),
    (r"^now\.static", static),
    (r"^now\.full", full),
    (r"^now\.aggregate|^now\.cumulative", pooled),
    (r"^now\.clean", clean),
    (r"^now\.load_pp", picked_points),
)
