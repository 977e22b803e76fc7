"""Promises of the project as a whole: light imports, one version, declared dependencies, small pieces, clean files."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import facebench
from tests.source_tree import PACKAGES, ROOT, modules, pyproject, tracked_files

HEAVY = (
    "cv2", "face_alignment", "h5py", "matplotlib", "numba", "pandas", "pyarrow", "scipy", "timm", "torch",
    "torchvision", "trimesh",
)  # fmt: skip
LIGHT_COMMANDS = (["--help"], ["list", "datasets"], ["list", "backbones"], ["list", "benchmarks"], ["version"])

MAX_FILE_LINES, MAX_FUNCTION_LINES = 350, 70
EMPTY_NAMES = {"utils", "helpers", "common", "misc", "base"}
TEXT_SUFFIXES = {".cfg", ".ini", ".json", ".md", ".py", ".toml", ".txt", ".yaml", ".yml", ""}

# Spelt in two halves, so that this file does not find itself.
MACHINE_PATHS = re.compile(r"(?<![\w.~/-])/(?:wo" r"rk|op" r"t|ro" r"ot|ho" r"me)/")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|raise NotImplement" r"edError")

IMPORT_NAMES = {"opencv-python": "cv2", "pillow": "PIL", "face-alignment": "face_alignment", "pyyaml": "yaml"}
"""Distributions whose import name differs from their own."""


def loaded_by(code: str) -> set[str]:
    """Modules that a fresh interpreter has loaded after `code`; what it prints meanwhile is dropped."""
    program = (
        "import contextlib, io, json, sys\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    {code}\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(ran.stdout))


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_nothing_heavy(package):
    assert loaded_by(f"import {package}").isdisjoint(HEAVY)


@pytest.mark.parametrize("arguments", LIGHT_COMMANDS, ids=" ".join)
def test_a_light_command_loads_nothing_heavy(arguments):
    loaded = loaded_by(f"from facebench.cli import execute; assert execute({arguments!r}) == 0")
    assert loaded.isdisjoint(HEAVY), sorted(loaded & set(HEAVY))


def test_the_light_reader_does_see_what_is_heavy():
    assert "scipy" in loaded_by("import scipy")


def test_there_is_one_version():
    version = pyproject()["project"]["version"]
    assert facebench.__version__ in (version, "0+unknown")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{version}]" in changes or "## [Unreleased]" in changes


@pytest.mark.skipif("FACEBENCH_EXPECT_WHEEL" not in os.environ, reason="only tox installs the wheel first")
@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_tested_is_the_wheel(package):
    found = Path(sys.modules[package].__file__ if package in sys.modules else __import__(package).__file__)
    assert not found.is_relative_to(ROOT / package)
    assert facebench.__version__ == pyproject()["project"]["version"]


def import_names(requirements: list[str]) -> set[str]:
    names = {re.match(r"[\w-]+", requirement).group() for requirement in requirements}
    return {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in names}


def test_what_is_imported_is_declared_and_the_core_asks_for_nothing_else():
    project = pyproject()["project"]
    core = import_names(project["dependencies"])
    extras = import_names([name for extra in project["optional-dependencies"].values() for name in extra])
    imported = {name.partition(".")[0] for module in modules() for name in module.imports} - sys.stdlib_module_names
    assert imported <= core | extras | set(PACKAGES)
    assert core <= imported, "a dependency that nothing uses"


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_a_file_is_short_and_so_are_its_functions(module):
    assert module.path.stem not in EMPTY_NAMES, "a name that says nothing"
    assert module.text.count("\n") <= MAX_FILE_LINES
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_no_exception_is_swallowed(module):
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and all(isinstance(step, ast.Pass) for step in node.body):
            caught = "everything" if node.type is None else ast.unparse(node.type)
            assert caught not in ("everything", "Exception", "BaseException"), f"line {node.lineno}"


def test_no_tracked_file_names_this_machine_or_is_unfinished():
    found = []
    for path in tracked_files():
        if path.suffix not in TEXT_SUFFIXES:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if MACHINE_PATHS.search(line) or (path.suffix == ".py" and UNFINISHED.search(line)):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert not found, "\n".join(found)


def test_no_tracked_file_is_large():
    """Pictures of real faces, weights and data sets do not belong here, but for the small encoders that ship."""
    shipped = ROOT / "facebench" / "backbones" / "checkpoints"
    sizes = {path: 6_000_000 if path.parent == shipped else 600_000 for path in tracked_files()}
    assert not [path.name for path, most in sizes.items() if path.stat().st_size > most]
