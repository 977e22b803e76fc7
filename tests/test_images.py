"""Pictures and label maps: read right, or refused with a reason; PNGs are written here by hand where depth matters."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facebench.errors import DataError
from facebench.images import (
    MAX_PIXELS,
    decode_image,
    decode_label_map,
    image_size,
    read_image,
    read_label_map,
    read_mask,
)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def hand_png(width: int, height: int, *, depth: int, colour: int, rows: list[bytes], extra: bytes = b"") -> bytes:
    """A PNG straight from the specification: no filter, one IDAT chunk."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


def jpeg_bytes(picture: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def test_a_png_comes_back_as_rgb_to_the_bit(tmp_path: Path, noise: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), noise[:, :, ::-1])
    got = read_image(tmp_path / "a.png")
    assert got.dtype == np.uint8
    assert got.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(got, noise)
    assert image_size(tmp_path / "a.png") == (40, 30)


def test_a_jpeg_agrees_with_another_decoder(tmp_path: Path, noise: np.ndarray) -> None:
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    (tmp_path / "a.jpg").write_bytes(jpeg_bytes(smooth, quality=95))
    other = np.asarray(Image.open(tmp_path / "a.jpg")).astype(int)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - other).max() <= 2
    assert image_size(tmp_path / "a.jpg") == (40, 30)


def test_grey_bmp_and_a_wrong_file_name_are_read_by_content(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), np.repeat(grey[..., None], 3, axis=2))
    Image.fromarray(np.repeat(grey[..., None], 3, axis=2)).save(tmp_path / "a.bmp")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.bmp").read_bytes())
    assert image_size(tmp_path / "a.jpg") == (4, 3)
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg")[..., 0], grey)


def test_the_exif_orientation_is_ignored(tmp_path: Path, noise: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter before showing
    (tmp_path / "turned.jpg").write_bytes(jpeg_bytes(noise, exif=exif.tobytes()))
    (tmp_path / "plain.jpg").write_bytes(jpeg_bytes(noise))
    assert cv2.imread(str(tmp_path / "turned.jpg")).shape == (40, 30, 3)  # what a careless reader gets
    np.testing.assert_array_equal(read_image(tmp_path / "turned.jpg"), read_image(tmp_path / "plain.jpg"))
    assert image_size(tmp_path / "turned.jpg") == (40, 30)


def test_names_that_are_not_ascii_and_hold_spaces_work(tmp_path: Path, noise: np.ndarray) -> None:
    path = tmp_path / "image_092 _01 é漢.jpg"
    path.write_bytes(jpeg_bytes(noise))
    assert read_image(path).shape == (30, 40, 3)


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(1, 2000))
def test_every_cut_jpeg_is_refused_even_with_a_whole_thumbnail(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = jpeg_bytes(picture)
    thumbnail = jpeg_bytes(picture[:8, :8])
    # An EXIF-like segment that holds a whole JPEG, end marker and all, right after the start of the picture.
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    data = whole[:2] + segment + whole[2:]
    folder = tmp_path_factory.mktemp("cut")
    (folder / "whole.jpg").write_bytes(data)
    assert read_image(folder / "whole.jpg").shape == (64, 64, 3)
    cut = min(cut, len(data) - 1)
    (folder / "cut.jpg").write_bytes(data[:-cut])
    with pytest.raises(DataError, match=r"cut\.jpg (is cut off|has a damaged header)"):
        read_image(folder / "cut.jpg")


def test_a_jpeg_with_something_behind_its_end_is_whole(tmp_path: Path, noise: np.ndarray) -> None:
    for number, options in enumerate(({}, {"progressive": True}, {"restart_marker_blocks": 1})):
        data = jpeg_bytes(noise, **options)
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(data + b"\0" * 100)
        assert read_image(path).shape == (30, 40, 3)
        path.write_bytes(data[:-2] + b"\0" * 100)
        with pytest.raises(DataError, match="cut off"):
            read_image(path)


def test_a_cut_or_flipped_png_is_refused(tmp_path: Path, noise: np.ndarray) -> None:
    Image.fromarray(noise).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    for number, damaged in enumerate((data[: len(data) // 2], data[:-1], data[:500] + b"\x55" + data[501:])):
        path = tmp_path / f"damaged{number}.png"
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="cut off or damaged"):
            read_image(path)
        with pytest.raises(DataError, match="cut off or damaged"):
            read_mask(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no bytes"),
        (b"GIF89a" + b"\0" * 50, "neither JPEG, PNG nor BMP"),
        (b"\xff\xd8\xff\xe0", "damaged header"),
        (b"\x89PNG\r\n\x1a\n", "damaged header"),
        (b"BM\0", "damaged header"),
        (b"not a picture at all", "neither"),
    ],
)
def test_what_is_no_picture_is_refused_by_both_readers(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    for reader in (read_image, image_size):
        with pytest.raises(DataError, match=reason):
            reader(path)


@settings(max_examples=80, deadline=None)
@given(data=st.binary(max_size=200), head=st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b""]))
def test_random_bytes_never_end_in_another_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, head: bytes
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "x"
    path.write_bytes(head + data)
    for reader in (read_image, image_size, read_mask):
        with pytest.raises(DataError):
            reader(path)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    for reader in (read_image, image_size, read_mask):
        with pytest.raises(DataError, match=r"gone\.jpg does not exist"):
            reader(tmp_path / "gone.jpg")
        with pytest.raises(DataError, match="cannot be read"):
            reader(tmp_path)


def test_a_picture_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    width, height = 100_000, 1_000
    assert width * height > MAX_PIXELS
    path = tmp_path / "bomb.png"
    path.write_bytes(hand_png(width, height, depth=1, colour=0, rows=[b"\0" * (width // 8)] * height))
    assert path.stat().st_size < 50_000
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the bomb was unpacked"))
    for reader in (read_image, image_size, read_mask):
        with pytest.raises(DataError, match="100000 x 1000"):
            reader(path)


def test_a_file_that_says_it_is_empty_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flat.png"
    path.write_bytes(hand_png(0, 5, depth=8, colour=0, rows=[]))
    with pytest.raises(DataError):
        image_size(path)


LABELS = np.array([[0, 1, 2, 3], [3, 2, 1, 0]], dtype=np.uint8)


def test_grey_palette_and_equal_channels_give_the_same_ids(tmp_path: Path) -> None:
    Image.fromarray(LABELS).save(tmp_path / "grey.png")
    palette = Image.frombytes("P", (4, 2), LABELS.tobytes())
    palette.putpalette([200, 10, 30, 0, 255, 0, 9, 9, 9, 77, 7, 7])
    palette.save(tmp_path / "palette.png")
    Image.fromarray(np.repeat(LABELS[..., None], 3, axis=2)).save(tmp_path / "rgb.png")
    Image.fromarray(LABELS.astype(np.uint16)).save(tmp_path / "deep.png")
    for name in ("grey", "palette", "rgb", "deep"):
        got = read_label_map(tmp_path / f"{name}.png", classes=4)
        assert got.dtype == np.uint8, name
        np.testing.assert_array_equal(got, LABELS, err_msg=name)


@pytest.mark.parametrize(
    ("depth", "colour", "rows"),
    [
        (2, 0, [b"\x1b", b"\xe4"]),  # 00 01 10 11 / 11 10 01 00
        (4, 0, [b"\x01\x23", b"\x32\x10"]),
        (2, 3, [b"\x1b", b"\xe4"]),
        (4, 3, [b"\x01\x23", b"\x32\x10"]),
        (8, 3, [b"\0\1\2\3", b"\3\2\1\0"]),
        (16, 0, [b"\0\0\0\1\0\2\0\3", b"\0\3\0\2\0\1\0\0"]),
    ],
)
def test_ids_are_as_written_at_every_bit_depth(tmp_path: Path, depth: int, colour: int, rows: list[bytes]) -> None:
    palette = png_chunk(b"PLTE", bytes(range(100, 112))) if colour == 3 else b""
    (tmp_path / "a.png").write_bytes(hand_png(4, 2, depth=depth, colour=colour, rows=rows, extra=palette))
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.png", classes=4), LABELS)


def test_one_bit_masks_are_zero_and_one(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(hand_png(4, 1, depth=1, colour=0, rows=[b"\x50"]))  # 0 1 0 1
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.png", classes=2), [[0, 1, 0, 1]])
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), [[False, True, False, True]])


def test_a_value_that_is_no_class_is_counted_and_named(tmp_path: Path) -> None:
    labels = LABELS.copy()
    labels[0, :2] = 255
    labels[1, 0] = 11
    Image.fromarray(labels).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: 2 pixels hold the value 255 \(3 in all .* 0\.\.10"):
        read_label_map(tmp_path / "a.png", classes=11)
    Image.fromarray((LABELS.astype(np.uint16)) * 1000).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match="hold the value 1000"):
        read_label_map(tmp_path / "deep.png", classes=11)


def test_colours_transparency_and_jpeg_are_no_label_maps(tmp_path: Path, noise: np.ndarray) -> None:
    Image.fromarray(noise).save(tmp_path / "colour.png")
    with pytest.raises(DataError, match="colour picture"):
        read_label_map(tmp_path / "colour.png", classes=256)
    for name, shape in (("la", 2), ("rgba", 4)):
        layers = np.zeros((2, 4, shape), np.uint8)
        Image.fromarray(layers).save(tmp_path / f"{name}.png")
        with pytest.raises(DataError, match="transparent"):
            read_label_map(tmp_path / f"{name}.png", classes=4)
        layers[..., -1] = 255
        Image.fromarray(layers).save(tmp_path / f"{name}.png")
        assert not read_label_map(tmp_path / f"{name}.png", classes=4).any()
    (tmp_path / "a.png").write_bytes(jpeg_bytes(noise))
    with pytest.raises(DataError, match="not a PNG"):
        read_label_map(tmp_path / "a.png", classes=256)


def test_a_mask_is_everything_that_is_not_black(tmp_path: Path) -> None:
    values = np.array([[0, 1, 254, 255]], dtype=np.uint8)
    Image.fromarray(np.repeat(values[..., None], 3, axis=2)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), [[False, True, True, True]])


def test_a_picture_in_a_mat_file_is_asked_of_the_cofw_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cofw = pytest.importorskip("facebench.datasets.cofw")
    asked: list[tuple[Path, int]] = []

    def fake(mat: Path, index: int) -> np.ndarray:
        asked.append((mat, index))
        return np.zeros((3, 5, 3), np.uint8)

    monkeypatch.setattr(cofw, "read_cofw_image", fake)
    path = tmp_path / "COFW_test_color.mat#12"
    assert read_image(path).shape == (3, 5, 3)
    assert image_size(path) == (5, 3)
    assert asked == [(tmp_path / "COFW_test_color.mat", 12)] * 2
    with pytest.raises(DataError, match="not a number"):
        read_image(tmp_path / "COFW_test_color.mat#x")


def test_real_pictures_and_label_maps_are_read(shared_data: Path) -> None:
    folder = shared_data / "celebamask_hq" / "MaskGAN_demo" / "samples"
    for number in range(4):
        assert read_image(folder / f"{number}.jpg").shape == (1024, 1024, 3)
        labels = read_label_map(folder / f"{number}.png", classes=19)
        np.testing.assert_array_equal(labels, cv2.imread(str(folder / f"{number}.png"), cv2.IMREAD_UNCHANGED))
        assert labels.shape == (512, 512)


def test_bytes_are_decoded_as_a_file_is_and_errors_say_the_name_that_was_given(tmp_path: Path, noise) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg_bytes(noise))
    np.testing.assert_array_equal(decode_image(path.read_bytes(), "00000.tar:a.jpg"), read_image(path))
    Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3)).save(tmp_path / "labels.png")
    labels = (tmp_path / "labels.png").read_bytes()
    np.testing.assert_array_equal(decode_label_map(labels, "labels", 6), [[0, 1, 2], [3, 4, 5]])
    bomb = hand_png(30_000, 30_000, depth=8, colour=0, rows=[b"\0"])
    for data, reason in ((b"", "no bytes"), (bomb, "more than"), (path.read_bytes()[:-2], "cut off")):
        with pytest.raises(DataError, match=rf"picture 00000\.tar:a\.jpg .*{reason}"):
            decode_image(data, "00000.tar:a.jpg")
    with pytest.raises(DataError, match="label map x: 1 pixels hold the value 5"):
        decode_label_map(labels, "x", 5)
