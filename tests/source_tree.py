"""The project's own files, as the tests about the project see them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("facebench", "leaderboard", "pretrain")


@dataclass(frozen=True)
class Module:
    """One source file: `facebench.metrics.auc`."""

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @cached_property
    def imports(self) -> frozenset[str]:
        """Every name that is imported anywhere in the file, also inside functions and for types alone.

        `from a import b` is `a.b`: whether that is a module or a thing inside one is for the reader to know.
        """
        return frozenset(_imports(self.tree))


def modules() -> list[Module]:
    """Every module of the three packages."""
    files = (f for package in PACKAGES for f in sorted((ROOT / package).rglob("*.py")))
    return [Module(".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), f) for f in files]


def tracked_files() -> list[Path]:
    """Files that git knows; skips where there is no git checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


def same_modules() -> dict[str, str]:
    """Environment in which a new interpreter finds what this one finds, in this order: the wheel before the folder."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)}


def pyproject() -> dict[str, Any]:
    """The project's own description."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
