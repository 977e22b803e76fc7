"""Heads under `run`: a model of the user's, the mapping protocol, and what brackets the scale on the made world."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facebench.cli import execute
from facebench.datasets.now import DATASET
from facebench.errors import DataError, UsageError
from facebench.geometry.mesh_io import read_mesh
from facebench.heads.shape import fit_basis
from facebench.metrics.scan import aggregate, scan_distances
from facebench.record import Result, parse_signature
from facebench.registry import Registry
from facebench.run import Request, plan, run
from facebench.synth.scan import neutral_mesh
from facebench.synth.seeds import face_seed
from facebench.synth.write import write_world
from facebench.types import Mesh, Scan
from tests.drawn_faces import write_300w, write_now

MEDIAN = "now/val/all/median"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_now(tmp_path_factory.mktemp("world"), subjects=40, pictures=2, val=5)


@pytest.fixture(scope="module")
def flame(world: Path) -> Path:
    """The heads are ellipsoids: a mean of half-axes 70, 95, 70 mm and a direction for each axis; in metres."""
    mesh = read_mesh(sorted((world / "NoW/train/meshes").glob("*.obj"))[0])
    first = sorted((world / "NoW/scans").rglob("*.obj"))[0]
    assert len(read_mesh(first).vertices) != len(mesh.vertices), "scans are of another topology"
    unit = mesh.vertices / np.abs(mesh.vertices).max(axis=0)
    path = world / "flame.npz"
    axes = np.moveaxis(np.eye(3)[:, None, :] * unit[None], 0, 2)
    np.savez(path, v_template=unit * [0.07, 0.095, 0.07], shapedirs=0.01 * axes, f=mesh.faces)
    return path


def _request(world: Path, folder: Path, **changes: object) -> Request:
    base = Request(("pixels",), ("now",), world, folder / "runs", device="cpu", cache=folder / "cache")
    return replace(base, **changes)  # type: ignore[arg-type]


def _run(request: Request) -> tuple[Result, ...]:
    return run(plan(request, Registry()))


def _value(result: Result) -> float:
    value = result.score(MEDIAN).value
    assert value is not None
    return value


def test_heads_of_a_model_are_ranked_above_their_floor(world: Path, flame: Path, tmp_path: Path) -> None:
    floor, pixels = _run(_request(world, tmp_path, model=flame))
    assert _value(pixels) < 0.7 * _value(floor)
    assert floor.signature == pixels.signature
    assert parse_signature(pixels.signature)["basis"] == pixels.settings["basis"]["sha256"][:6]
    assert pixels.settings["components"] == "3"
    # The same model in another kind of file is the same row; a row of the training heads' own basis is another.
    with np.load(flame) as file:
        (tmp_path / "flame.pkl").write_bytes(pickle.dumps(dict(file), protocol=2))
    again = plan(_request(world, tmp_path, model=tmp_path / "flame.pkl"), Registry())
    assert all(row.done is not None for row in again.rows)
    own = plan(_request(world, tmp_path), Registry())
    assert all(row.done is None for row in own.rows)


@pytest.mark.slow
def test_the_mapping_protocol_is_ranked_and_repeats(world: Path, tmp_path: Path) -> None:
    floor, pixels = _run(_request(world, tmp_path / "a", protocols=("mapping",)))
    assert _value(pixels) < 0.8 * _value(floor)
    assert parse_signature(pixels.signature)["probe"] == pixels.protocol == "mapping.v1"
    assert pixels.settings["inputs"] == "pooled"
    _run(_request(world, tmp_path / "b", protocols=("mapping",)))
    tables = [sorted(p.read_bytes() for p in (tmp_path / name).rglob("samples.parquet")) for name in "ab"]
    assert tables[0] == tables[1] != []
    other = plan(_request(world, tmp_path / "a", protocols=("mapping",), seeds=(1,)), Registry())
    assert other.rows[1].done is None, "another seed is another head"


def test_a_model_of_other_heads_is_refused(world: Path, flame: Path, tmp_path: Path) -> None:
    with np.load(flame) as file:
        np.savez(tmp_path / "other.npz", **{**file, "f": file["f"][::-1]})
    with pytest.raises(DataError, match="register one to the other"):
        _run(_request(world, tmp_path, model=tmp_path / "other.npz"))


def test_what_makes_no_sense_is_found_before_the_work(world: Path, flame: Path, tmp_path: Path) -> None:
    write_300w(tmp_path, train=4, val=2, test=2)
    faces = _request(tmp_path, tmp_path, benchmarks=("300w",))
    for request, message in (
        (replace(faces, protocols=("mapping",)), "mapping protocol has no head for landmarks; it knows reconstruction"),
        (replace(faces, model=flame), "none of the benchmarks is about them"),
        (_request(world, tmp_path, protocols=("mapping",), seeds=(0, 1)), "begins from one seed, not 2"),
        (_request(world, tmp_path, protocols=("linea",)), "unknown protocol 'linea'; did you mean 'linear'"),
    ):
        with pytest.raises(UsageError, match=message):
            plan(request, Registry())
    with pytest.raises(DataError, match="does not exist"):
        plan(_request(world, tmp_path, model=tmp_path / "none.npz"), Registry())


def test_the_options_of_the_command(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "-b", "pixels", "-e", "now", "--data", str(world), "-o", str(tmp_path)]
    (tmp_path / "flame.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert execute([*command, "--flame", str(tmp_path / "flame.pkl")]) == 3
    assert "os.system, which is refused" in capsys.readouterr().err
    assert execute([*command, "--protocol", "mapping", "--seeds", "0,1"]) == 2
    assert "begins from one seed" in capsys.readouterr().err
    assert execute([*command, "--protocol", "linear", "--protocol", "knn", "--limit", "20", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert [result["protocol"] for result in made] == ["linear.v1", "knn.v1"] * 2


@pytest.mark.slow
def test_floor_random_and_oracle_bracket_the_made_world(tmp_path: Path) -> None:
    """A random backbone is no worse than the floor; whoever knows the coefficients is left with the scan's noise."""
    write_world("now", tmp_path, train=120, test=12, seed=0, scan_vertices=8_000)
    floor, random = _run(_request(tmp_path, tmp_path, backbones=("timm:test_vit@random:0",)))
    heads = DATASET.samples(tmp_path, "train")
    basis = fit_basis((s.id, s.target.read()) for s in heads[::2])  # type: ignore[union-attr]
    apart = []
    for i, sample in enumerate(DATASET.samples(tmp_path, "val")[::4]):
        known = neutral_mesh(face_seed(0, "now", "test", i))
        head = basis.scan(basis.coefficients(Scan(Mesh(known.vertices, known.faces), known.landmarks), sample.id))
        apart.append(scan_distances(sample.target.read(), head))  # type: ignore[union-attr]
    oracle = aggregate(apart).median
    print(f"floor {_value(floor):.3f} random {_value(random):.3f} oracle {oracle:.3f} mm")
    assert oracle < 0.06  # the scans have noise of 0.05 mm along each axis
    assert 10 * oracle < _value(random) < 1.05 * _value(floor)
