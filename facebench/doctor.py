"""What a folder holds, and what to do so that it can be used: the layouts of `facebench.layouts`, looked for.

The walk goes a few levels deep, opens no file, follows no link twice and fetches nothing. A folder is the set's own
when a tell-tale name lies in it; what it lacks is then said with where to get it. A set is at home in its official
folder below the root (or when the root is its own folder), anywhere deeper in there, and misplaced elsewhere.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias

from facebench.errors import DataError
from facebench.layouts import LAYOUTS, Layout, Piece

State: TypeAlias = Literal["ready", "score-only", "incomplete", "misplaced", "archive", "nothing"]

DEPTH = 7
"""Folders below the root that are looked into; the deepest official package (COFW) needs seven."""

MAX_FOLDERS = 5000
MAX_ENTRIES = 2000
"""Entries of one folder that are looked at for folders and archives; picture folders hold far more."""

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar", ".zip.001")


@dataclass(frozen=True)
class Finding:
    """One thing that was recognised.

    Attributes:
        path: the folder or archive.
        dataset: which set it belongs to; None where that is not known.
        state: `ready` (score and run; a split apart may be missing), `score-only` (annotations of test are there,
            something for `run` is not), `incomplete` (not even scoring works), `misplaced`, `archive` (not unpacked),
            or `nothing`.
        found: pieces that are there.
        missing: pieces that are not.
        todo: what to do next, commands where there is one.
    """

    path: Path
    dataset: str | None
    state: State
    found: tuple[str, ...]
    missing: tuple[str, ...]
    todo: tuple[str, ...]


def diagnose(root: Path) -> tuple[Finding, ...]:
    """Everything recognised at or below `root`, sets first. Raises `DataError` where there is no such folder."""
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; name the folder that holds the data sets")
    sets: list[Finding] = []
    archives: list[Finding] = []
    claimed: dict[str, set[Path]] = {layout.dataset: set() for layout in LAYOUTS}
    for folder, files in _walk(root):
        for layout in LAYOUTS:
            # What a set was recognised by is not recognised again: the lists inside WFLW_annotations.
            inside = claimed[layout.dataset] & {folder, *folder.parents}
            tells = [] if inside else _matches(folder, layout.tells)
            if tells:
                claimed[layout.dataset].update(tells)
                sets.append(_set_at(folder, layout, root))
        archives.extend(_archive(folder / name, root) for name in files if _is_archive(name))
    usable = {finding.dataset for finding in sets if finding.state == "ready" and not finding.missing}
    waiting = [finding for finding in archives if finding.dataset not in usable]
    return (*sets, *waiting) or (_nothing(root),)


def _walk(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Folders from the root down, level by level, each with its files; a folder reached twice by links comes once."""
    seen: set[tuple[int, int]] = set()
    level = [root]
    for _ in range(DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            try:
                status = folder.stat()
                with os.scandir(folder) as found:
                    entries = sorted(islice(found, MAX_ENTRIES), key=lambda entry: entry.name)
            except OSError:
                continue  # no permission, or gone meanwhile: nothing can be said about it
            if (status.st_dev, status.st_ino) in seen or len(seen) >= MAX_FOLDERS:
                continue
            seen.add((status.st_dev, status.st_ino))
            yield folder, [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file()]
            below += [folder / entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
        level = below


def _set_at(folder: Path, layout: Layout, root: Path) -> Finding:
    home = root / layout.folder
    at_home = folder == home or home in folder.parents or (folder == root and not home.is_dir())
    # The loader looks from the set's official folder, and sees through some packages' own wrapping folders only.
    base = home if at_home and folder != root else folder
    there = [piece for piece in layout.pieces if _matches(base, piece.any_of)]
    displaced = at_home and any(_matches(folder, p.any_of) for p in layout.pieces if p not in there)
    if displaced:
        there = [piece for piece in layout.pieces if _matches(folder, piece.any_of)]
    lacking = [piece for piece in layout.pieces if piece not in there]
    steps = [f"get {_joined(pieces)} from: {source}" for source, pieces in _by_source(lacking).items()]
    state: State = "ready"
    if needed := [piece for piece in lacking if not piece.apart]:
        state = "incomplete" if any(piece.for_score for piece in needed) else "score-only"
    if displaced or not at_home:
        state = "misplaced"
        steps.insert(0, _move(folder, layout, home))
    if _holds_ready_maps(folder, layout, lacking):
        steps.append("ready label maps alone are scored as celebamask-hq-official, not as celebamask-hq")
    if state in ("ready", "score-only"):
        steps.append(f"facebench data verify {layout.dataset} --data {shlex.quote(str(root))}")
    return Finding(
        path=folder,
        dataset=layout.dataset,
        state=state,
        found=tuple(piece.what for piece in there),
        missing=tuple(piece.what for piece in lacking),
        todo=tuple(steps),
    )


def _move(folder: Path, layout: Layout, home: Path) -> str:
    """The command that brings a set home: a link to its folder, or its own parts where home is already there."""
    target = shlex.quote(str(home))
    if not home.is_dir():
        return f"ln -s {shlex.quote(str(folder.resolve()))} {target}"
    patterns = (*layout.tells, *(pattern for piece in layout.pieces for pattern in piece.any_of))
    inside = {
        p.relative_to(folder).parts[0] for p in _matches(folder, patterns) if ".." not in p.relative_to(folder).parts
    }
    # Never `*`: the folder may be the data root, with other sets in it.
    return f"mv -n {' '.join(shlex.quote(str(folder / name)) for name in sorted(inside))} {target}/"


def _holds_ready_maps(folder: Path, layout: Layout, lacking: list[Piece]) -> bool:
    no_parts = any(piece.what == "part PNGs" for piece in lacking)
    return layout.dataset == "celebamask-hq" and no_parts and (folder / "CelebAMask-HQ-label").is_dir()


def _by_source(pieces: list[Piece]) -> dict[str, list[Piece]]:
    grouped: dict[str, list[Piece]] = {}
    for piece in pieces:
        grouped.setdefault(piece.source, []).append(piece)
    return grouped


def _joined(pieces: list[Piece]) -> str:
    return ", ".join(piece.what for piece in pieces)


def _matches(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """What is there of `patterns` below `folder`, at most one path for each."""
    plain = [folder / pattern for pattern in patterns if "*" not in pattern]
    globbed = [next(folder.glob(pattern), None) for pattern in patterns if "*" in pattern]
    return [path for path in plain if path.exists()] + [path for path in globbed if path is not None]


def _is_archive(name: str) -> bool:
    return name.lower().endswith(_ARCHIVES)


def _archive(path: Path, root: Path) -> Finding:
    name = path.name.lower()
    # The longest pattern decides: cofw68* before cofw.*.
    known = [(len(p), layout) for layout in LAYOUTS for p in layout.archives if fnmatch(name, p)]
    if not known:
        return Finding(path, None, "archive", (), (), ("not known by its name; list what is in it before unpacking",))
    layout = max(known, key=lambda match: match[0])[1]
    command = _unpack(path, root / layout.folder)
    return Finding(
        path, layout.dataset, "archive", (), (), (command, f"facebench data doctor {shlex.quote(str(root))}")
    )


def _unpack(path: Path, target: Path) -> str:
    source, into, name = shlex.quote(str(path)), shlex.quote(str(target)), path.name.lower()
    if name.endswith(".zip.001"):
        whole = path.with_name(path.name[: -len(".001")])
        parts = f"cat {shlex.quote(str(whole))}.0* > {shlex.quote(str(whole))}"
        return f"{parts} && unzip -n {shlex.quote(str(whole))} -d {into}"
    if name.endswith(".zip"):
        return f"unzip -n {source} -d {into}"
    if name.endswith(".7z"):
        return f"7z x -o{into} {source}"
    if name.endswith(".rar"):
        return f"unrar x {source} {into}/"
    return f"mkdir -p {into} && tar -xf {source} -C {into}"


def _nothing(root: Path) -> Finding:
    folders = ", ".join(f"{layout.folder}/" for layout in LAYOUTS)
    steps = (f"each set belongs into its official folder: {folders}", "facebench describe NAME shows what lies in it")
    return Finding(root, None, "nothing", (), (), steps)
