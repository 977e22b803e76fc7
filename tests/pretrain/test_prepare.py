"""Whole preparations: what comes out, in which bytes, what is left out and why, and what an interruption costs."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile

import cv2
import numpy as np
import pytest
from PIL import Image

from facebench.errors import DataError, UsageError
from facebench.images import decode_image
from pretrain.data.shards import Shards
from pretrain.prepare.hashes import Evaluation
from pretrain.prepare.options import Options
from pretrain.prepare.run import prepare
from tests.drawn_faces import draw
from tests.pretrain.made_sources import (
    SMALL,
    contents,
    face_members,
    png,
    prepared,
    rejections,
    sidecar,
    write_folder,
    write_tar,
)
from tests.source_tree import same_modules


def test_a_set_holds_every_face_once_and_says_so(tmp_path):
    shards = Shards.open(prepared(tmp_path, 10))
    shards.verify()
    assert shards.sizes == (4, 4, 2)
    manifest = shards.manifest
    assert (manifest.pictures, manifest.seen, manifest.points, manifest.supervision) == (10, 10, 68, "none")
    assert manifest.without_parsing == 10
    stored = [shards.read(i) for i in range(10)]
    assert [s.key for s in stored] == [f"{i:09d}" for i in range(10)]
    for seed, one in enumerate(stored):
        points = draw(seed).points
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        scale = 64 / (1.5 * max(x1 - x0, y1 - y0))
        expected = (points - [(x0 + x1) / 2, (y0 + y1) / 2]) * scale + 31.5
        np.testing.assert_allclose(one.points, expected, atol=1e-3)  # stored to a thousandth of a pixel
        assert decode_image(one.jpeg, one.key).shape == (64, 64, 3)


def test_the_webdataset_library_reads_a_set(tmp_path):
    from webdataset.tariterators import group_by_keys, tar_file_expander

    folder = prepared(tmp_path, 6)
    shards = Shards.open(folder)
    samples = []
    for entry in shards.manifest.shards:
        with (folder / entry.name).open("rb") as file:
            samples += group_by_keys(tar_file_expander([{"url": entry.name, "stream": file}]))
    assert [s["__key__"] for s in samples] == [f"{i:09d}" for i in range(6)]
    for number, sample in enumerate(samples):
        stored = shards.read(number)
        assert sample["jpg"] == stored.jpeg
        about = json.loads(sample["json"])
        np.testing.assert_allclose(about["landmarks"], stored.points, atol=1e-5)
        assert about["source"] == f"source/{number // 3:02d}/{number:05d}.png"


def test_the_same_input_gives_the_same_bytes_wherever_it_lies_and_whoever_works(tmp_path):
    first = contents(prepared(tmp_path / "a", 9))
    source = write_folder(tmp_path / "b" / "source", range(9))
    prepare([source], tmp_path / "b" / "out", SMALL, workers=3)
    assert contents(tmp_path / "b" / "out") == first
    assert set(first) == {f"{i:06d}.tar" for i in range(3)} | {"index.parquet", "manifest.json", "rejected.jsonl"}


def test_an_archive_and_a_folder_give_the_same_pictures(tmp_path):
    folder = Shards.open(prepared(tmp_path, 5))
    write_tar(tmp_path / "laion" / "00000.tar", face_members(range(3)))
    write_tar(tmp_path / "laion" / "00001.tar", face_members(range(3, 5)))
    prepare([tmp_path / "laion"], tmp_path / "whole", SMALL)
    prepare([tmp_path / "laion" / f"0000{i}.tar" for i in (0, 1)], tmp_path / "each", SMALL)
    for other in (Shards.open(tmp_path / "whole"), Shards.open(tmp_path / "each")):
        for number in range(5):
            assert other.read(number).jpeg == folder.read(number).jpeg
            np.testing.assert_array_equal(other.read(number).points, folder.read(number).points)


def test_hostile_members_are_refused_by_name_and_the_others_used(tmp_path):
    face = draw(1)
    members = []
    for name in ("../evil.png", "/abs.png", "a/../../b.png", "..\\c.png"):
        members.append((tarfile.TarInfo(name), png(face.image)))
    for name, kind, target in (("l.png", tarfile.SYMTYPE, "/etc/passwd"), ("h.png", tarfile.LNKTYPE, "0.png"),
                               ("dev.png", tarfile.CHRTYPE, ""), ("fifo.png", tarfile.FIFOTYPE, "")):  # fmt: skip
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        members.append((member, b""))
    folder = tarfile.TarInfo("plain")
    folder.type = tarfile.DIRTYPE
    members.append((folder, b""))
    members += [(tarfile.TarInfo(name), content) for name, content in face_members([1, 2]).items()]
    before = set(tmp_path.rglob("*"))
    tar = write_tar(tmp_path / "x.tar", members)
    manifest = prepare([tar], tmp_path / "out", SMALL)
    assert manifest.pictures == 2
    assert manifest.rejected == {"not-a-file": 4, "unsafe-name": 4}
    assert manifest.seen == manifest.pictures + sum(manifest.rejected.values())
    names = rejections(tmp_path / "out")
    assert names["x.tar:../evil.png"] == names["x.tar:/abs.png"] == "unsafe-name"
    assert names["x.tar:l.png"] == "not-a-file"
    made = {path for path in set(tmp_path.rglob("*")) - before if path != tar and tmp_path / "out" not in path.parents}
    assert made == {tmp_path / "out"}  # nothing was unpacked
    assert not (tmp_path.parent / "evil.png").exists()


def test_a_sparse_member_cannot_grow(tmp_path):
    header = tarfile.TarInfo("zeros.png").tobuf(tarfile.GNU_FORMAT)
    sparse = bytearray(header)
    sparse[156:157] = tarfile.GNUTYPE_SPARSE
    sparse[483:495] = b"%011o\0" % 2**32  # the size it claims to have
    sparse[148:156] = b"%06o\0 " % (sum(sparse[:148]) + sum(sparse[156:512]) + 8 * 32)
    whole = write_tar(tmp_path / "x.tar", face_members([1])).read_bytes()
    (tmp_path / "x.tar").write_bytes(bytes(sparse) + whole)
    manifest = prepare([tmp_path / "x.tar"], tmp_path / "out", SMALL)
    assert (manifest.pictures, dict(manifest.rejected)) == (1, {"not-a-file": 1})


@pytest.mark.parametrize("cut", [1, 700, 5000])
def test_an_archive_that_is_cut_off_is_used_up_to_there(tmp_path, cut):
    whole = write_tar(tmp_path / "x.tar", face_members(range(3))).read_bytes()
    end = whole.index(b"00002.png")
    (tmp_path / "x.tar").write_bytes(whole[: end + cut])
    manifest = prepare([tmp_path / "x.tar"], tmp_path / "out", SMALL)
    assert manifest.pictures == 2
    assert set(manifest.rejected) <= {"archive", "unreadable"}
    assert manifest.rejected


def test_what_is_no_archive_is_named_and_leaves_nothing(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"not a tar " * 1000)
    with pytest.raises(DataError, match=r"no picture is left of 1 \(1 archive\); the first: x.tar: is no whole tar"):
        prepare([tmp_path / "x.tar"], tmp_path / "out", SMALL)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.tar"]


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says it has 40,000 x 40,000 pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 100_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_bad_pictures_among_good_ones_are_counted_and_named(tmp_path):
    source = write_folder(tmp_path / "s", range(3))
    good = (source / "00" / "00000.png").read_bytes()
    Image.fromarray(draw(7).image).save(source / "animated.gif")
    bad = {"bomb.png": bomb(), "cut.png": good[:-20], "empty.jpg": b"", "text.jpg": b"hello"}
    for name, content in bad.items():
        (source / name).write_bytes(content)
    (source / "broken.png").write_bytes(png(draw(8).image))
    (source / "broken.json").write_text("{")
    (source / "bare.png").write_bytes(png(draw(9).image))
    manifest = prepare([source], tmp_path / "out", SMALL, workers=2)
    assert manifest.pictures == 3
    expected = {f"s/{name}": "unreadable" for name in (*bad, "animated.gif")}
    assert rejections(tmp_path / "out") == expected | {"s/broken.png": "sidecar", "s/bare.png": "no-face"}
    assert dict(manifest.rejected) == {"no-face": 1, "sidecar": 1, "unreadable": 5}
    assert "more than 89478485 are refused" in (tmp_path / "out" / "rejected.jsonl").read_text()


def test_faces_without_landmarks_are_kept_and_counted(tmp_path):
    source = write_folder(tmp_path / "s", range(4), landmarks=5)
    (source / "00" / "00001.json").write_bytes(sidecar(draw(1), landmarks=None))
    (source / "00" / "00002.json").write_bytes(sidecar(draw(2), landmarks=68))
    manifest = prepare([source], tmp_path / "out", SMALL)
    assert (manifest.pictures, manifest.points, manifest.without_points) == (4, 5, 1)
    shards = Shards.open(tmp_path / "out")
    assert [None if (p := shards.read(i).points) is None else len(p) for i in range(4)] == [5, None, 68, 5]


def test_faces_kept_apart_go_before_sidecars_and_fit_one_picture_each(tmp_path):
    source = write_folder(tmp_path / "s", range(4))
    record = {"key": "00/00001", "faces": []}
    by_name = {"key": 3, "faces": json.loads(sidecar(draw(3), landmarks=5))["faces"]}
    (source / "01" / "00003.png").rename(source / "01" / "3.png")
    faces = tmp_path / "faces.jsonl"
    faces.write_text("\n".join(map(json.dumps, (record, by_name))) + "\n\n")
    manifest = prepare([source], tmp_path / "out", SMALL, faces=faces)
    assert rejections(tmp_path / "out") == {"s/00/00001.png": "no-face"}
    assert (manifest.pictures, manifest.points) == (3, 5)
    (source / "00" / "3.png").write_bytes(png(draw(11).image))
    with pytest.raises(DataError, match=r"one record fits s/00/3.png and s/01/3.png; .* such as '01/3'"):
        prepare([source], tmp_path / "other", SMALL, faces=faces)


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "has no line"), ("[]\n", "line 1: not an object"), ('{"key": "a"}\n{"key": "a"}\n', "line 2: the key 'a'")],
)
def test_a_faces_file_that_makes_no_sense_is_refused(tmp_path, text, said):
    (tmp_path / "faces.jsonl").write_text(text)
    with pytest.raises(DataError, match=said):
        prepare([write_folder(tmp_path / "s", [1])], tmp_path / "out", SMALL, faces=tmp_path / "faces.jsonl")


def test_label_maps_make_a_set_supervised_and_a_missing_one_is_counted(tmp_path):
    source = write_folder(tmp_path / "s", range(3))
    maps = tmp_path / "maps"
    (maps / "00").mkdir(parents=True)
    cv2.imwrite(str(maps / "00" / "00000.png"), draw(0).labels)
    cv2.imwrite(str(maps / "00002.png"), draw(2).labels + np.uint8(11))  # no classes of LaPa
    manifest = prepare([source], tmp_path / "out", SMALL, parsing=maps)
    assert manifest.supervision == "parsing"
    assert (manifest.pictures, manifest.without_parsing) == (2, 1)
    assert rejections(tmp_path / "out") == {"s/00/00002.png": "parsing"}
    with pytest.raises(DataError, match="folder of label maps"):
        prepare([source], tmp_path / "out2", SMALL, parsing=tmp_path / "none")


def test_copies_are_left_out_unless_they_are_wanted(tmp_path):
    source = write_folder(tmp_path / "s", range(3))
    write_folder(source / "copies", [1], suffix=".bmp")
    assert prepare([source], tmp_path / "out", SMALL).pictures == 3
    assert rejections(tmp_path / "out") == {"s/copies/00/00001.bmp": "duplicate"}
    assert "looks like 000000001" in (tmp_path / "out" / "rejected.jsonl").read_text()
    kept = Options(size=64, min_side=20, dedup=False)
    assert prepare([source], tmp_path / "all", kept).pictures == 4


def test_evaluation_pictures_are_left_out_also_smaller_and_compressed_anew(tmp_path):
    source = write_folder(tmp_path / "s", range(8))
    small = cv2.resize(draw(2).image, (72, 72), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "test_face.jpg"), small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    known = Evaluation([tmp_path / "test_face.jpg", tmp_path / "broken.jpg"], distance=4, workers=1)
    assert len(known.unreadable) == 1
    manifest = prepare([source], tmp_path / "out", SMALL, evaluation=known)
    assert rejections(tmp_path / "out") == {"s/00/00002.png": "leak"}
    assert manifest.against.model_dump() == {"pictures": 1, "unreadable": 1, "distance": 4}
    assert "looks like test_face.jpg" in (tmp_path / "out" / "rejected.jsonl").read_text()


def test_an_interrupted_preparation_goes_on_and_ends_in_the_same_bytes(tmp_path):
    # The last of eleven is a copy of the second, which lies in a shard that is finished before the interruption.
    source = write_folder(tmp_path / "b" / "source", [*range(10), 1])
    prepare([source], tmp_path / "whole", SMALL)
    whole = contents(tmp_path / "whole")
    assert set(rejections(tmp_path / "whole").values()) == {"duplicate"}
    seen = 0

    def stop() -> None:
        nonlocal seen
        seen += 1
        if seen == 10:
            raise KeyboardInterrupt

    out = tmp_path / "b" / "shards"
    with pytest.raises(KeyboardInterrupt):
        prepare([source], out, SMALL, on_picture=stop)
    assert not out.exists()
    with pytest.raises(DataError, match="does not exist"):
        Shards.open(out)
    left = tmp_path / "b" / ".shards.partial" / "set"
    assert sorted(p.name for p in left.iterdir()) == ["000000.tar", "000001.tar"]
    stamps = {p.name: p.stat().st_mtime_ns for p in left.iterdir()}
    prepare([source], out, SMALL)
    assert contents(out) == whole
    assert {name: (out / name).stat().st_mtime_ns for name in stamps} == stamps  # not made again
    assert not left.parent.exists()


def test_an_unfinished_set_is_not_mixed_with_other_options_or_sources(tmp_path):
    source = write_folder(tmp_path / "s", range(6))
    calls = iter([None] * 5)

    def stop() -> None:
        if next(calls, 0) == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare([source], tmp_path / "out", SMALL, on_picture=stop)
    other = Options(size=48, min_side=20, per_shard=4)
    with pytest.raises(DataError, match="unfinished set of another plan"):
        prepare([source], tmp_path / "out", other)
    (source / "00" / "00000.png").unlink()
    with pytest.raises(DataError, match="the sources have changed"):
        prepare([source], tmp_path / "out", SMALL)
    assert prepare([source], tmp_path / "out", other, overwrite=True).size == 48


def test_what_lies_in_the_place_is_only_replaced_on_request_and_if_it_is_a_set(tmp_path):
    out = prepared(tmp_path, 3)
    with pytest.raises(DataError, match="is not empty; --overwrite"):
        prepare([tmp_path / "source"], out, SMALL)
    prepare([tmp_path / "source"], out, Options(size=32, min_side=20), overwrite=True)
    assert Shards.open(out).manifest.size == 32
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(DataError, match="holds no prepared set"):
        prepare([tmp_path / "source"], tmp_path / "mine", SMALL, overwrite=True)
    with pytest.raises(DataError, match="there is a file of that name"):
        prepare([tmp_path / "source"], tmp_path / "mine" / "thesis.txt", SMALL)


def test_sources_that_make_no_sense_are_refused(tmp_path):
    source = write_folder(tmp_path / "s", [1])
    (tmp_path / "x.zip").write_bytes(b"")
    for sources, kind, said in (
        ([], UsageError, "no source"),
        ([source, source], UsageError, "named twice"),
        ([tmp_path / "none"], DataError, "does not exist"),
        ([tmp_path / "x.zip"], DataError, "neither a folder nor a .tar"),
        ([tmp_path], UsageError, "lie in each other"),
    ):
        with pytest.raises(kind, match=said):
            prepare(sources, tmp_path / "out", SMALL)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="hold no picture"):
        prepare([tmp_path / "empty"], tmp_path / "out", SMALL)


def test_two_sources_of_one_name_are_told_apart(tmp_path):
    a, b = write_folder(tmp_path / "a" / "s", [1]), write_folder(tmp_path / "b" / "s", [2])
    (a / "00" / "00001.json").write_bytes(b'{"faces": []}')
    prepare([a, b], tmp_path / "out", SMALL)
    assert rejections(tmp_path / "out") == {"a/s/00/00001.png": "no-face"}


def test_links_in_a_circle_end(tmp_path):
    source = write_folder(tmp_path / "s", range(2))
    (source / "00" / "again").symlink_to(source)
    assert prepare([source], tmp_path / "out", SMALL).pictures == 2


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(tmp_path):
    whole = contents(prepared(tmp_path / "a", 8))
    source = write_folder(tmp_path / "source", range(8))
    # The system lets no file grow beyond 9 kB, which is less than the four pictures of a tar need.
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from pretrain.prepare.run import prepare\n"
        "from tests.pretrain.made_sources import SMALL\n"
        "from facebench.errors import DataError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))\n"
        "try:\n    prepare([Path(sys.argv[1])], Path(sys.argv[2]), SMALL)\n"
        "except DataError as error:\n    print(error)\n"
    )
    out = tmp_path / "shards"
    command = [sys.executable, "-c", program, str(source), str(out)]
    ran = subprocess.run(command, env=same_modules(), capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(f"cannot write {out}: File too large; what was done is kept in ")
    assert ran.stdout.rstrip().endswith("free some space and run the same command again")
    assert ran.stdout.count("\n") == 1
    assert not out.exists()
    prepare([source], out, SMALL)
    assert contents(out) == whole


def test_two_preparations_of_one_place_do_not_mix(tmp_path):
    source = write_folder(tmp_path / "s", range(2))

    def again() -> None:
        with pytest.raises(DataError, match="another process is writing"):
            prepare([source], tmp_path / "out", SMALL)

    prepare([source], tmp_path / "out", SMALL, on_picture=again)


def test_a_picture_that_goes_away_meanwhile_is_named(tmp_path):
    from pretrain.prepare.crops import Maker
    from pretrain.prepare.items import Item, Span

    gone = Maker(SMALL, None, leaks=False)(Item("gone.png", "gone", Span(tmp_path / "gone.png")))
    assert (gone.reason, gone.source) == ("unreadable", "gone.png")
