"""The folder of feature shards: bounded, atomic, checked.

One file a shard, `KEY.safetensors`, with the tensors; the checksum of their bytes, the failures and how long the
backbone took for each batch are its metadata. Its
modification time is when it was last used; `FeatureCache` deletes the files unused for longest when the folder would
grow over its bound. Two processes may share the folder: files appear whole, under a name that says their content, and
a file that the other process deletes while it is read counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facebench.errors import UsageError

DEFAULT_CAP = 20_000_000_000
"""Bytes: WFLW's 10,000 pictures through a ViT-B at 224 pixels are 6 GB."""

SHARE_OF_FREE = 0.5
"""Part of the free disk that the cache may take at most."""

STALE_SECONDS = 3600
"""Age of an unfinished file that no run can still be writing."""

Note = Callable[[str], None]


def read_cap(text: str | None, folder: Path) -> int:
    """Bound of the cache in bytes: FACEBENCH_CACHE_GB as `text`, else `DEFAULT_CAP` or half of the free disk.

    Raises:
        UsageError: not a number of gigabytes.
    """
    if text is None:
        place = next(p for p in (folder, *folder.parents) if p.exists())
        return min(DEFAULT_CAP, int(shutil.disk_usage(place).free * SHARE_OF_FREE))
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not 0 <= gigabytes < float("inf"):
        raise UsageError(f"FACEBENCH_CACHE_GB is {text!r}, not a number of gigabytes")
    return int(gigabytes * 1e9)


@dataclass(frozen=True)
class FeatureCache:
    """A bounded folder of shards.

    Attributes:
        folder: where they lie.
        cap: bound of all of them together, bytes; 0 keeps nothing.
    """

    folder: Path
    cap: int

    def holds(self, key: str) -> bool:
        """Whether there is a file under `key`; whether it is whole is found out when it is read."""
        return (self.folder / f"{key}.safetensors").is_file()

    def read(self, key: str, note: Note) -> dict[str, Any] | None:
        """Tensors and failures kept under `key`; None where there are none, or where they are damaged (noted)."""
        from safetensors import SafetensorError, safe_open

        path = self.folder / f"{key}.safetensors"
        try:
            with safe_open(path, framework="pt") as file:
                meta = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            whole = checksum(tensors) == meta["checksum"]
            failures, times = json.loads(meta["failures"]), json.loads(meta.get("times", "[]"))
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, KeyError, ValueError):
            whole = False
        if not whole:
            note(f"cache file {path} is damaged; its features are extracted again")
            path.unlink(missing_ok=True)
            return None
        _touch(path)
        return {"tensors": tensors, "failures": failures, "times": times}

    def write(self, key: str, arrays: Mapping[str, Any], note: Note) -> None:
        """Keep `arrays` under `key`; a disk that takes nothing more is noted and does not stop the run."""
        from safetensors.torch import save

        meta = {"checksum": checksum(arrays["tensors"]), "failures": json.dumps(arrays["failures"])}
        meta["times"] = json.dumps(arrays.get("times", []))
        data = save(dict(arrays["tensors"]), metadata=meta)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(data))
            with tempfile.NamedTemporaryFile("wb", dir=self.folder, prefix=f".{key[:16]}.", delete=False) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(self.folder / f"{key}.safetensors")
        except OSError as cause:
            note(f"cannot keep features in {self.folder} ({cause.strerror or cause}); an interrupted run starts anew")

    def _make_room(self, size: int) -> None:
        """Delete what was unused for longest until `size` more bytes fit, and files that a killed run left."""
        files = []
        for entry in os.scandir(self.folder):
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue
            if entry.name.endswith(".safetensors"):
                files.append((status.st_mtime_ns, status.st_size, entry.path))
            elif time.time() - status.st_mtime > STALE_SECONDS:
                Path(entry.path).unlink(missing_ok=True)
        used = sum(file[1] for file in files)
        for _, freed, path in sorted(files):
            if used + size <= self.cap:
                return
            Path(path).unlink(missing_ok=True)
            used -= freed


def checksum(tensors: Mapping[str, Any]) -> str:
    """Hash (sha256, hex) over names, shapes and bytes of float32 tensors on the CPU."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.numpy().data if tensor.numel() else b"")
    return digest.hexdigest()


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except OSError:
        return  # another run deleted it, or the folder is read-only; it was read all the same
