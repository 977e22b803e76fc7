"""Both branches of the cure, each in a process of its own: operators cannot be taken back."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the mixed wheels exist on Linux alone")

# What torchvision's own library does, in small: it declares nms and computes something recognisable.
STUB = """
#include <ATen/ATen.h>
#include <torch/library.h>
static at::Tensor nms(const at::Tensor& dets, const at::Tensor& scores, double iou_threshold) { return scores + 41; }
TORCH_LIBRARY(torchvision, m) {
  m.def("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor");
}
TORCH_LIBRARY_IMPL(torchvision, CPU, m) { m.impl("nms", &nms); }
"""


def run(code: str, *path: Path) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter that finds packages in `path` first."""
    here = str(Path(__file__).resolve().parents[1])
    env = os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, path), here])}
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", textwrap.dedent(code)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)


def package(folder: Path, library: bytes | None) -> Path:
    """A package `torchvision` whose compiled part is `library`, and whose import must not be needed."""
    inside = folder / "torchvision"
    inside.mkdir(parents=True)
    (inside / "__init__.py").write_text("raise AssertionError('imported')")
    if library is not None:
        (inside / "_C.so").write_bytes(library)
    return folder


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The small library, compiled against the torch that is installed."""
    import shutil

    import torch

    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to compile the library with")
    folder = tmp_path_factory.mktemp("stub")
    (folder / "stub.cpp").write_text(STUB)
    root = Path(torch.__file__).parent
    command = [compiler, "-shared", "-fPIC", "-std=c++20", "-O0", f"-I{root / 'include'}"]
    command += [f"-I{root / 'include/torch/csrc/api/include'}", str(folder / "stub.cpp"), "-o", str(folder / "_C.so")]
    command += [f"-L{root / 'lib'}", "-ltorch", "-ltorch_cpu", "-lc10", f"-Wl,-rpath,{root / 'lib'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return (folder / "_C.so").read_bytes()


CURE = """
from facebench.torchvision_cure import ensure_torchvision_imports
state = ensure_torchvision_imports()
import torch
"""


@LINUX
def test_a_library_that_does_not_load_gets_its_two_operators_declared(tmp_path: Path) -> None:
    done = run(
        CURE
        + """
assert state == "declared", state
assert ensure_torchvision_imports() == "declared"  # again changes nothing
import gc; gc.collect()
torch.ops.torchvision.nms, torch.ops.torchvision.qnms
try:
    torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
except NotImplementedError:
    print("declared, not made up")
""",
        package(tmp_path, b"\x7fELF but nothing more"),
    )
    assert (done.returncode, done.stdout.strip()) == (0, "declared, not made up"), done.stderr


@pytest.mark.slow
@LINUX
def test_a_healthy_library_is_loaded_and_nothing_is_declared(tmp_path: Path, stub: bytes) -> None:
    done = run(
        CURE
        + """
assert state == "healthy", state
import torchvision_path
torch.ops.load_library(torchvision_path.LIBRARY)  # as torchvision itself does while it is imported
print(float(torch.ops.torchvision.nms(torch.zeros(1, 4), torch.ones(1), 0.5)))
""",
        _with_path(package(tmp_path, stub)),
    )
    assert (done.returncode, done.stdout.strip()) == (0, "42.0"), done.stderr


@pytest.mark.slow
@LINUX
def test_declaring_beside_a_healthy_library_would_abort_the_process(tmp_path: Path, stub: bytes) -> None:
    """The reason for the whole detour; also shows that the test above can fail."""
    done = run(
        """
        import torch, torchvision_path
        fragment = torch.library.Library("torchvision", "FRAGMENT")
        fragment.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torch.ops.load_library(torchvision_path.LIBRARY)
        print("survived")
        """,
        _with_path(package(tmp_path, stub)),
    )
    assert done.returncode == -signal.SIGABRT
    assert "survived" not in done.stdout


def _with_path(folder: Path) -> Path:
    (folder / "torchvision_path.py").write_text(f"LIBRARY = {str(folder / 'torchvision' / '_C.so')!r}")
    return folder


@LINUX
def test_a_torchvision_without_compiled_part_is_left_alone(tmp_path: Path) -> None:
    done = run(CURE + "print(state, hasattr(torch.ops.torchvision, 'nms'))", package(tmp_path, None))
    assert done.stdout.strip() == "untouched False", done.stderr


def test_a_torchvision_that_is_imported_already_is_left_alone() -> None:
    code = "import sys, types; sys.modules['torchvision'] = types.ModuleType('torchvision')"
    done = run(code + CURE + "print(state)")
    assert done.stdout.strip() == "untouched", done.stderr


@pytest.mark.slow
def test_the_installed_torchvision_imports_after_the_cure() -> None:
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("no torchvision installed")
    done = run(
        CURE
        + """
import torchvision, timm
from torchvision.transforms import v2
print(tuple(v2.functional.resize(torch.zeros(3, 8, 8), [4, 4]).shape))
"""
    )
    assert (done.returncode, done.stdout.strip()) == (0, "(3, 4, 4)"), done.stderr


@pytest.mark.slow
def test_without_the_cure_the_trap_is_there_where_it_is_claimed() -> None:
    """On a machine with the mixed wheels the cure is needed; elsewhere it does nothing."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("no torchvision installed")
    bare, cured = run("import torchvision"), run(CURE + "print(state)")
    if cured.stdout.strip() == "declared":
        assert bare.returncode != 0
        assert "torchvision::nms does not exist" in bare.stderr
    else:
        assert bare.returncode == 0, bare.stderr


@pytest.mark.slow
def test_code_of_the_user_that_imports_timm_meets_no_trap(tmp_path: Path) -> None:
    if importlib.util.find_spec("timm") is None:
        pytest.skip("no timm installed")
    (tmp_path / "mine.py").write_text("def factory():\n    import timm\n    return timm.create_model('test_vit')\n")
    code = """
    from facebench.backbones.module import BACKBONE
    print(BACKBONE.open("MINE:factory", None).record.name)
    """
    done = run(code.replace("MINE", str(tmp_path / "mine.py")))
    assert done.stdout.strip() == "factory", done.stderr


def test_importing_the_cure_imports_no_torch() -> None:
    done = run("import sys, facebench.torchvision_cure; print('torch' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr


def test_the_constraints_suit_the_extra_that_they_are_for() -> None:
    import tomllib

    from packaging.requirements import Requirement

    root = Path(__file__).resolve().parents[1]
    lines = (root / "constraints-cpu.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert set(pins) == {"torch", "torchvision"}
    extra = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]["run"]
    wanted = {r.name: r.specifier for r in map(Requirement, extra)}
    assert all(version in wanted[name] for name, version in pins.items())
