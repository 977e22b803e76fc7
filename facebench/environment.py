"""What a result was made with: versions, machine, and the commit of this package's source."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import facebench

PACKAGES = (
    "torch", "torchvision", "timm", "numpy", "scipy", "pandas", "pyarrow", "opencv-python", "trimesh", "numba", "h5py",
)  # fmt: skip
"""Packages whose version can move a number."""


def describe_environment() -> dict[str, Any]:
    """Versions, processor and commit; imports none of the packages it names."""
    return {
        "facebench": facebench.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the source tree this package was imported from, `+` if it has changes; None for an installed wheel."""
    root = Path(facebench.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+" if changed else "")


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=5)  # noqa: S603, S607 (fixed words)
    return done.stdout.strip()
