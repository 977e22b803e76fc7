"""Options that several verbs share, and what they resolve to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from facebench.errors import DataError, UsageError
from facebench.registry import Registry

DataRoot: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--data", envvar="FACEBENCH_DATA", help="Data root (WFLW/, 300W/, ... below it), or one set's folder."
    ),
]
Plugins: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="Python file with a DATASET, BACKBONE or EVALUATOR; may be repeated."),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def registry(plugins: list[Path] | None) -> Registry:
    """Built-in things, installed plug-ins and the named plug-in files."""
    return Registry(tuple(plugins or ()))


def data_root(named: Path | None) -> Path:
    """The data root that was named. Raises `UsageError` where none was."""
    if named is None:
        raise UsageError("no data root: name it with --data DIR or in the environment as FACEBENCH_DATA")
    return named


def check_writable(path: Path) -> None:
    """Find out before the work whether `path` can be written. Raises `DataError`."""
    folder = path if path.is_dir() else path.parent
    if path.is_dir() and path.suffix:
        raise DataError(f"cannot write {path}: it is a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise DataError(f"cannot write {path}: {cause.strerror or cause}") from cause
    if not os.access(folder, os.W_OK):
        raise DataError(f"cannot write {path}: no permission for {folder}")
