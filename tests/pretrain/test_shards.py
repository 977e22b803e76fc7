"""A prepared set opened again: whole, or refused with the name of the file that is not as it should be."""

from __future__ import annotations

import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from facebench.errors import DataError
from pretrain.data.index import FILE as INDEX_FILE
from pretrain.data.manifest import content_digest
from pretrain.data.shards import Shards
from tests.pretrain.made_sources import prepared


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = prepared(tmp_path_factory.mktemp("set"), 10)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path, whole: dict[str, bytes]) -> Path:
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_every_read_gives_the_member_of_that_name(folder):
    shards = Shards.open(folder)
    for number in range(len(shards)):
        stored = shards.read(number)
        with tarfile.open(folder / f"{number // 4:06d}.tar") as tar:
            assert tar.extractfile(f"{stored.key}.jpg").read() == stored.jpeg
    shards.close()


def test_an_open_set_can_be_handed_to_another_process(folder):
    shards = Shards.open(folder)
    first = shards.read(3)
    other = pickle.loads(pickle.dumps(shards))
    assert other.read(3).jpeg == first.jpeg
    np.testing.assert_array_equal(other.read(3).points, first.points)


def test_more_tars_than_may_be_open_at_once(folder, monkeypatch):
    monkeypatch.setattr("pretrain.data.shards._OPEN_FILES", 1)
    shards = Shards.open(folder)
    order = [9, 0, 5, 9, 1]
    assert [shards.read(i).key for i in order] == [f"{i:09d}" for i in order]
    assert len(shards._files) == 1


def test_the_digest_is_that_of_the_contents_and_not_of_their_order(folder):
    import hashlib

    members: dict[str, dict[str, bytes]] = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, suffix = member.name.partition(".")
                members.setdefault(key, {})[suffix] = tar.extractfile(member).read()
    hashes = [(key, hashlib.sha256(parts["jpg"] + parts["json"]).hexdigest()) for key, parts in members.items()]
    assert content_digest(reversed(hashes)) == Shards.open(folder).manifest.digest
    assert content_digest([*hashes[:-1], (hashes[-1][0], "0" * 64)]) != Shards.open(folder).manifest.digest


def empty(folder: Path) -> None:
    (folder / "000001.tar").write_bytes(b"")


def short(folder: Path) -> None:
    path = folder / "000001.tar"
    path.write_bytes(path.read_bytes()[:-1])


def other_index(folder: Path) -> None:
    path = folder / INDEX_FILE
    path.write_bytes(path.read_bytes()[:-1] + b"\0")


def wrong_total(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["shards"][0]["pictures"] += 1
    (folder / "manifest.json").write_text(json.dumps(manifest))


def unknown_field(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"version": 2}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "manifest.json").unlink(), "has no manifest.json, so it is no finished set"),
        (lambda f: (f / "manifest.json").write_text("{"), "manifest.json is damaged"),
        (unknown_field, r"damaged or of another version: version: Input should be 1"),
        (wrong_total, "the pictures of its shards do not add up to 10"),
        (lambda f: (f / "000001.tar").unlink(), r"shard .*000001.tar does not exist"),
        (empty, r"000001.tar is empty, its manifest says \d+; copy it again"),
        (short, r"000001.tar has \d+ bytes, its manifest says"),
        (lambda f: (f / INDEX_FILE).unlink(), "index.parquet cannot be read"),
        (other_index, "index.parquet is not the index of this set"),
    ],
)
def test_a_set_that_is_not_whole_does_not_open(folder, damage, said):
    damage(folder)
    with pytest.raises(DataError, match=said):
        Shards.open(folder)


def test_there_must_be_a_folder(tmp_path):
    with pytest.raises(DataError, match=r"shards folder .* does not exist; write it with facebench pretrain prepare"):
        Shards.open(tmp_path / "none")


def rewritten(folder: Path, change) -> None:
    """The index of `folder` changed, with a manifest that fits it."""
    import hashlib

    import pyarrow.parquet as pq

    pq.write_table(change(pq.read_table(folder / INDEX_FILE)), folder / INDEX_FILE)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["index_sha256"] = hashlib.sha256((folder / INDEX_FILE).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.slice(1), "has 9 rows for 10 pictures"),
        (lambda table: table.take(list(reversed(range(10)))), "count the pictures of the shards differently"),
        (lambda table: table.drop_columns(["crc"]), "has no column crc|is no index"),
        (lambda table: table.set_column(3, "offset", [[10**9] * 10]), "points outside of the shards"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(folder, change, said):
    rewritten(folder, change)
    with pytest.raises(DataError, match=said):
        Shards.open(folder)


def test_a_flipped_byte_is_found_by_the_read_and_by_verify(folder):
    shards = Shards.open(folder)
    at = int(shards.index.offset[5]) + int(shards.index.length[5]) // 2
    path = folder / "000001.tar"
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    shards = Shards.open(folder)  # the length is as before
    assert shards.read(4).key == "000000004"
    with pytest.raises(DataError, match=r"000001.tar: picture 000000005 is damaged: its checksum differs"):
        shards.read(5)
    with pytest.raises(DataError, match=r"000001.tar is damaged: its sha256 is not that of the manifest"):
        shards.verify()
