"""Folders of label maps: round trips, digests, and ids that must not leave their folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facebench.errors import DataError
from facebench.label_predictions import LabelFolder, write_label_map
from facebench.schemes import CELEB19, FARL_CELEB19, LAPA11, LabelScheme
from facebench.types import Sample

HOSTILE_IDS = ["../x", "a/../../x", "/etc/x", "..", "", "a\\..\\x", "C:x", "a\0b", "/"]


def sample(name: str, target: Any = None) -> Sample:
    return Sample(id=name, image=Path("none.jpg"), box=None, target=target)


def test_label_maps_come_back_from_subfolders(tmp_path: Path) -> None:
    maps = {"7": np.arange(11).reshape(1, 11), "deep/er/x.y": np.full((3, 2), 10)}
    for name, labels in maps.items():
        assert write_label_map(tmp_path, name, labels).relative_to(tmp_path).as_posix() == f"{name}.png"
    folder = LabelFolder(tmp_path, scheme=LAPA11, order=LAPA11)
    assert list(folder.ids()) == sorted(maps) == list(folder)
    for name, labels in maps.items():
        np.testing.assert_array_equal(folder.read(sample(name)), labels)


@pytest.mark.parametrize("name", HOSTILE_IDS)
def test_no_id_leaves_its_folder(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "x.png")
    with pytest.raises(DataError, match="is refused"):
        LabelFolder(inside, scheme=LAPA11, order=LAPA11).read(sample(name))
    with pytest.raises(DataError, match="is refused"):
        write_label_map(inside, name, np.zeros((2, 2)))
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["inside", "x.png"]


@pytest.mark.parametrize("labels", [np.zeros((2, 2, 3)), np.zeros((0, 2)), np.full((2, 2), 256), np.full((2, 2), -1)])
def test_only_label_maps_are_written(tmp_path: Path, labels: np.ndarray) -> None:
    with pytest.raises(DataError, match="a label map is"):
        write_label_map(tmp_path, "a", labels)


def test_the_folders_digest_follows_names_contents_and_order(tmp_path: Path) -> None:
    def digest(order: LabelScheme = CELEB19) -> str:
        return LabelFolder(tmp_path, scheme=CELEB19, order=order).digest()

    write_label_map(tmp_path, "a", np.zeros((2, 2)))
    seen = {digest(), digest(FARL_CELEB19)}
    write_label_map(tmp_path, "a", np.ones((2, 2)))
    seen.add(digest())
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    seen.add(digest())
    assert len(seen) == 4
    assert digest() == digest()
