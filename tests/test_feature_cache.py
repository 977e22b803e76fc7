from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

from facebench.errors import UsageError
from facebench.feature_cache import DEFAULT_CAP, STALE_SECONDS, FeatureCache, checksum, read_cap

NOTES: list[str] = []


def _arrays(value: float, size: int = 1000) -> dict[str, object]:
    return {"tensors": {"tokens": torch.full((size,), value), "pooled": torch.zeros(0)}, "failures": {"a": "why"}}


def _cache(folder: Path, cap: int = 10**9) -> FeatureCache:
    return FeatureCache(folder / "features", cap)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    notes: list[str] = []
    cache = _cache(tmp_path)
    assert cache.read("k", notes.append) is None
    cache.write("k", _arrays(3.0), notes.append)
    found = cache.read("k", notes.append)
    assert found is not None
    assert torch.equal(found["tensors"]["tokens"], torch.full((1000,), 3.0))
    assert found["failures"] == {"a": "why"}
    assert cache.holds("k")
    assert not notes


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text", "header"])
def test_a_damaged_file_counts_as_absent_and_is_told(tmp_path: Path, damage: str) -> None:
    notes: list[str] = []
    cache = _cache(tmp_path)
    cache.write("k", _arrays(3.0), notes.append)
    path = cache.folder / "k.safetensors"
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-100] ^= 1
    changed = {"cut": data[:-50], "empty": b"", "text": b"hello", "header": b"\xff" * 8 + data[8:]}.get(damage, data)
    path.write_bytes(bytes(changed))
    assert cache.read("k", notes.append) is None
    assert len(notes) == 1
    assert "damaged" in notes[0]
    assert not path.exists()


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    cache = _cache(tmp_path, cap=14_000)  # three files of a little over 4,000 bytes
    for age, key in enumerate("abc"):
        cache.write(key, _arrays(1.0), NOTES.append)
        os.utime(cache.folder / f"{key}.safetensors", (1000 + age, 1000 + age))
    assert cache.read("a", NOTES.append) is not None  # now the youngest
    cache.write("d", _arrays(1.0), NOTES.append)
    assert {p.stem for p in cache.folder.glob("*.safetensors")} == {"a", "c", "d"}


def test_the_folder_never_grows_over_its_bound(tmp_path: Path) -> None:
    cache = _cache(tmp_path, cap=20_000)
    for k in range(12):
        cache.write(f"k{k}", _arrays(float(k), size=100 + 150 * k), NOTES.append)
        assert sum(p.stat().st_size for p in cache.folder.iterdir()) <= 20_000


def test_files_of_killed_runs_are_cleared(tmp_path: Path) -> None:
    cache = _cache(tmp_path)
    cache.write("a", _arrays(1.0), NOTES.append)
    old, young = cache.folder / ".old.x", cache.folder / ".young.x"
    for path in (old, young):
        path.write_text("half")
    past = time.time() - STALE_SECONDS - 10
    os.utime(old, (past, past))
    cache.write("b", _arrays(1.0), NOTES.append)
    assert not old.exists()
    assert young.exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "features").write_text("a file")
    notes: list[str] = []
    _cache(tmp_path).write("a", _arrays(1.0), notes.append)
    assert "cannot keep features" in notes[0]


def test_checksums_see_names_shapes_and_values() -> None:
    base = torch.arange(6.0)
    sums = {
        checksum({"a": base}),
        checksum({"b": base}),
        checksum({"a": base.reshape(2, 3)}),
        checksum({"a": base + 1e-7}),
        checksum({"a": base, "b": torch.zeros(0)}),
    }
    assert len(sums) == 5


def test_the_bound_is_a_number_of_gigabytes(tmp_path: Path) -> None:
    assert read_cap("1.5", tmp_path) == 1_500_000_000
    assert read_cap("0", tmp_path) == 0
    assert 0 < read_cap(None, tmp_path / "not" / "yet") <= DEFAULT_CAP
    for text in ("much", "-1", "nan", "inf"):
        with pytest.raises(UsageError, match="FACEBENCH_CACHE_GB"):
            read_cap(text, tmp_path)
