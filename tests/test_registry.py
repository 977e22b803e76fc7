"""Names: built in, installed, from a file; clashes and broken plug-ins say why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from facebench.errors import UsageError
from facebench.registry import KINDS, Registry
from facebench.types import BackboneSource, Dataset, Evaluator

HERE = Path(__file__).resolve().parent
PLUGIN = HERE / "plugin"


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, points: dict[str, str], code: str = "", name: str = "third_party"
) -> None:
    """A distribution as pip leaves it behind: one module, and its entry points (kind to `name = target`)."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"{name}_module.py").write_text(code)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    groups = "\n".join(f"[facebench.{kind}]\n{line}\n" for kind, line in points.items())
    (info / "entry_points.txt").write_text(groups)
    monkeypatch.syspath_prepend(str(folder))
    sys.modules.pop(f"{name}_module", None)


SOURCE = """
from facebench.types import BackboneSource
BACKBONE = BackboneSource(name={name!r}, grammar="x", summary="x", open=lambda rest, size: rest)
"""


def test_the_files_of_the_package_are_its_registration() -> None:
    registry = Registry()
    names = {kind: {entry.name for entry in registry.entries(kind)} for kind in KINDS}
    assert {"timm", "pixels", "module", "paco-fr"} <= names["backbones"]
    assert {"wflw", "300w"} <= names["datasets"]
    assert {"landmarks", "parsing"} <= names["evaluators"]


@pytest.mark.parametrize(
    ("kind", "wanted"), [("backbones", BackboneSource), ("datasets", Dataset), ("evaluators", Evaluator)]
)
def test_every_name_gives_its_thing(kind: str, wanted: type) -> None:
    registry = Registry()
    for entry in registry.entries(kind):
        thing = registry.get(kind, entry.name)
        assert isinstance(thing, wanted)
        assert thing.name == entry.name
        assert entry.origin == "facebench"


@pytest.mark.parametrize(
    ("kind", "name", "found"),
    [
        ("datasets", "wlfw", "unknown dataset 'wlfw'; did you mean 'wflw'"),
        ("backbones", "pixel", "unknown backbone 'pixel'; did you mean 'pixels'"),
        ("evaluators", "qqq", "unknown evaluator 'qqq'; known: landmarks, "),
    ],
)
def test_unknown_names_get_near_ones(kind: str, name: str, found: str) -> None:
    with pytest.raises(UsageError, match=found):
        Registry().get(kind, name)


def test_an_installed_plug_in_joins_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = SOURCE.format(name="mine")
    install(tmp_path, monkeypatch, points={"backbones": "mine = third_party_module:BACKBONE"}, code=code)
    entry = next(e for e in Registry().entries("backbones") if e.name == "mine")
    assert entry.origin == "third_party"
    assert Registry().get("backbones", "mine").open("rest", None) == "rest"


def test_listing_does_not_import_an_installed_plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, points={"datasets": "broken = third_party_module:DATASET"}, code="1 / 0")
    registry = Registry()
    assert "broken" in [entry.name for entry in registry.entries("datasets")]
    assert "third_party_module" not in sys.modules
    registry.get("datasets", "wflw")  # a broken neighbour harms nobody
    with pytest.raises(
        UsageError, match=r"plug-in 'broken' \(third_party_module:DATASET\) does not load: Zero"
    ) as error:
        registry.get("datasets", "broken")
    assert isinstance(error.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("target", "cause"),
    [("absent_module:X", "No module named 'absent_module'"), ("third_party_module:absent", "absent")],
)
def test_an_entry_point_that_leads_nowhere_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, cause: str
) -> None:
    install(tmp_path, monkeypatch, points={"evaluators": f"lost = {target}"})
    with pytest.raises(UsageError, match=rf"plug-in 'lost' \({target}\) does not load: .*{cause}"):
        Registry().get("evaluators", "lost")


def test_a_name_that_is_built_in_cannot_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, points={"datasets": "wflw = third_party_module:DATASET"})
    with pytest.raises(UsageError, match="two datasets are called 'wflw': one from facebench, one from third_party"):
        Registry().get("datasets", "wflw")


def test_two_plug_ins_of_one_name_clash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second"):
        install(tmp_path / name, monkeypatch, points={"backbones": f"same = {name}_module:BACKBONE"}, name=name)
    with pytest.raises(UsageError, match=r"two backbones are called 'same': one from (first|second), one from"):
        Registry().entries("backbones")


# --- --plugin FILE ---------------------------------------------------------------------------------------------------


def test_a_file_joins_with_all_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "my-own.py"
    path.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        + SOURCE.format(name="mine")
        + """
@dataclass
class Evaluator:
    name: str = "mine-too"
    version: int = 1
EVALUATOR = Evaluator()
"""
    )
    registry = Registry(plugins=(path,))
    assert registry.get("backbones", "mine").open("rest", None) == "rest"
    assert registry.get("evaluators", "mine-too").version == 1
    assert next(e for e in registry.entries("backbones") if e.name == "mine").origin == str(path)


def test_two_files_of_one_stem_are_two_plug_ins(tmp_path: Path) -> None:
    paths = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "plugin.py")
        paths[-1].write_text(SOURCE.format(name=name))
    assert {"a", "b"} <= {entry.name for entry in Registry(plugins=tuple(paths)).entries("backbones")}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("1 / 0", "does not import: ZeroDivisionError"),
        ("import absent_module", "does not import: ModuleNotFoundError.*absent_module"),
        ("def broken(:", "does not import: SyntaxError"),
        ("x = 1", "holds none of DATASET, BACKBONE, EVALUATOR"),
        ("BACKBONE = 3", "its BACKBONE is a int without a name"),
        (SOURCE.format(name="timm"), "two backbones are called 'timm': one from facebench, one from .*plugin.py"),
    ],
)
def test_a_broken_file_says_why(tmp_path: Path, code: str, found: str) -> None:
    path = tmp_path / "plugin.py"
    path.write_text(code)
    with pytest.raises(UsageError, match=found):
        Registry(plugins=(path,)).entries("backbones")


def test_a_broken_file_leaves_nothing_behind(tmp_path: Path) -> None:
    path, before = tmp_path / "plugin.py", set(sys.modules)
    path.write_text("1 / 0")
    with pytest.raises(UsageError):
        Registry(plugins=(path,)).entries("backbones")
    assert not [name for name in set(sys.modules) - before if "plugin" in name]
    path.write_text(SOURCE.format(name="mended"))
    assert Registry(plugins=(path,)).get("backbones", "mended").name == "mended"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"plug-in file .*gone\.py does not exist"):
        Registry(plugins=(tmp_path / "gone.py",)).entries("backbones")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UsageError, match=r"notes\.txt is not a Python file"):
        Registry(plugins=(tmp_path / "notes.txt",)).entries("backbones")


# --- light, and real -------------------------------------------------------------------------------------------------


def fresh(code: str, *path: Path) -> str:
    """What `code` prints in an interpreter of its own that finds packages in `path` first."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, path), str(HERE.parent)])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_listing_everything_loads_nothing_heavy() -> None:
    code = """
import sys
from facebench.registry import KINDS, Registry
names = [e.name for kind in KINDS for e in Registry().entries(kind)]
assert "timm" in names and "wflw" in names and "landmarks" in names
heavy = {"torch", "timm", "torchvision", "safetensors", "pandas", "scipy", "cv2", "h5py", "numba", "matplotlib", "PIL"}
print(sorted(heavy & set(sys.modules)))
"""
    assert fresh(code) == "[]"


def test_importing_the_backbones_loads_no_torch() -> None:
    code = """
import importlib, pkgutil, sys
import facebench.backbones as package
for info in pkgutil.iter_modules(package.__path__):
    importlib.import_module(f"{package.__name__}.{info.name}")
import facebench.testing
print(sorted({"torch", "timm", "safetensors", "huggingface_hub"} & set(sys.modules)))
"""
    assert fresh(code) == "[]"


@pytest.mark.slow
def test_a_real_third_party_package(tmp_path: Path) -> None:
    """Built and installed by pip as its author would; then listed, opened, read and put through the contract checks."""
    source, target = tmp_path / "source", tmp_path / "site"
    shutil.copytree(PLUGIN, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*pip, "--target", str(target), str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for part, count in (("train", 3), ("val", 1), ("test", 2)):
        faces = {f"{part}{i}": [[10.0 + i, 20], [30, 20], [20, 40]] for i in range(count)}
        (tmp_path / "Dots").mkdir(exist_ok=True)
        (tmp_path / "Dots" / f"{part}.json").write_text(str(faces).replace("'", '"'))
    code = f"""
import sys
from pathlib import Path
from facebench.registry import Registry
from facebench.backbones.spec import open_backbone
from facebench.testing import check_backbone, check_dataset, check_evaluator
registry = Registry()
found = {{e.name: e.origin for kind in ("backbones", "datasets", "evaluators") for e in registry.entries(kind)}}
assert "facebench_dots" not in sys.modules
assert {{k for k, v in found.items() if v == "facebench-dots"}} == {{"edges", "dots", "worst-point"}}, found
dots = registry.get("datasets", "dots")
check_backbone(open_backbone("edges", registry, 32))
check_dataset(dots, Path({str(tmp_path)!r}))
check_evaluator(registry.get("evaluators", "worst-point"), dots)
check_evaluator(registry.get("evaluators", "landmarks"), dots)
print("joined")
"""
    assert fresh(code, target) == "joined"
