"""Pictures and label maps from disk, or a clear reason why not.

Conventions
    - A picture is (H, W, 3) uint8 RGB, exactly the pixels that are stored. An EXIF orientation is *not* applied: boxes,
      landmarks and label maps were drawn over stored pixels (the annotators' Matlab and the PIL readers of the official
      codes ignore the flag; `cv2.imread` would turn the picture away from under its annotation).
    - A label map is (H, W) uint8, one class id a pixel. Grey, palette (its indices, not its colours), 16-bit and grey
      stored as RGB are read; anything whose value is not a class of the set is refused, never ignored.
    - JPEG, PNG and BMP are known by their first bytes, not by their name.

Damage and hostility
    - The header is read first: a picture of more than `MAX_PIXELS` is refused before a pixel is unpacked.
    - A JPEG without its end marker and a PNG without its last chunk are refused: several decoders hand out the missing
      half as flat grey and say nothing.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facebench.errors import DataError
from facebench.shapes import AnyArray, BoolArray, ByteArray

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

MAX_PIXELS = 89_478_485
"""Most pixels a picture may have: 256 MiB of RGB, the bound of Pillow."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_BMP = b"BM"


def read_image(path: Path) -> ByteArray:
    """Picture at `path`, (H, W, 3) uint8 RGB as stored; `FILE.mat#7` is number 7 of a COFW file. Raises `DataError`."""
    if _in_mat_file(path):
        return _read_mat_picture(path)
    return decode_image(_read_bytes(path), path)


def decode_image(data: bytes, name: Path | str) -> ByteArray:
    """Picture in `data`, the bytes of a file, as `read_image`; `name` is what errors call it. Raises `DataError`."""
    import cv2

    _check_bytes(name, data)
    picture = _decoded(name, data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return np.ascontiguousarray(picture[:, :, ::-1])


def image_size(path: Path) -> tuple[int, int]:
    """(W, H) of the picture at `path` in pixels, from its header alone. Raises `DataError`."""
    if _in_mat_file(path):
        height, width = _read_mat_picture(path).shape[:2]
        return width, height
    try:
        with path.open("rb") as file:
            return _checked_size(path, _open(path, file))
    except OSError as cause:
        raise _unreadable(path, cause) from cause


def read_label_map(path: Path, classes: int) -> ByteArray:
    """Label map at `path`, (H, W) uint8 with every value in 0..classes-1. Raises `DataError`.

    Args:
        path: a PNG: grey of any depth, palette, or colour with three equal channels.
        classes: C, background included.
    """
    return decode_label_map(_read_bytes(path), path, classes)


def decode_label_map(data: bytes, name: Path | str, classes: int) -> ByteArray:
    """Label map in `data`, the bytes of a PNG; as `read_label_map`, where `name` is what errors call it."""
    labels = _stored_values(name, data)
    wrong = labels[labels >= classes]
    if wrong.size:
        value = int(np.bincount(wrong).argmax())
        count = int((wrong == value).sum())
        raise DataError(
            f"label map {name}: {count} pixels hold the value {value} ({wrong.size} in all are no class); "
            f"the classes are 0..{classes - 1}"
        )
    return labels.astype(np.uint8)


def read_mask(path: Path) -> BoolArray:
    """Binary mask of the PNG at `path`, (H, W) bool: every pixel that is not black. Raises `DataError`."""
    import cv2

    return np.asarray(_decoded(path, _png_bytes(path, _read_bytes(path)), cv2.IMREAD_GRAYSCALE) > 0)


def _stored_values(name: Path | str, data: bytes) -> AnyArray:
    """(H, W) unsigned integers as they are stored: grey levels as written, palette indices."""
    image = _open(name, io.BytesIO(_png_bytes(name, data)))
    try:
        values = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as cause:
        raise DataError(f"label map {name} does not decode ({cause}); copy it again") from cause
    if values.ndim == 3:
        values = _grey_of(name, values)
    # Pillow stretches grey of 2 and 4 bits to 0..255; class ids must stay as written. Bytes 24, 25: depth, colour type.
    depth, colour = data[24], data[25]
    if colour == 0 and depth in (2, 4):
        values = values // (255 // (2**depth - 1))
    return values.astype(np.int64)


def _grey_of(name: Path | str, values: AnyArray) -> AnyArray:
    colours, alpha = (values[..., :3], values[..., 3:]) if values.shape[2] > 2 else (values[..., :1], values[..., 1:])
    if (alpha != 255).any():
        raise DataError(f"label map {name} has transparent pixels; write one class id a pixel, as grey or palette PNG")
    if (colours != colours[..., :1]).any():
        raise DataError(f"label map {name} is a colour picture; write one class id a pixel, as grey or palette PNG")
    return colours[..., 0]


def _open(name: Path | str, file: Any) -> ImageFile:
    """Header of a picture; the plug-in is chosen here, so Pillow's other formats are never reached."""
    from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin

    start = file.read(len(_PNG))
    file.seek(0)
    if not start:
        raise DataError(f"picture {name} has no bytes; copy it again")
    try:
        if start.startswith(_PNG):
            return PngImagePlugin.PngImageFile(file)
        if start.startswith(_JPEG):
            return JpegImagePlugin.JpegImageFile(file)
        if start.startswith(_BMP):
            return BmpImagePlugin.BmpImageFile(file)
    except (OSError, SyntaxError, ValueError, IndexError, struct.error) as cause:
        raise DataError(f"picture {name} has a damaged header; copy it again") from cause
    raise DataError(f"picture {name} is neither JPEG, PNG nor BMP")


def _decoded(name: Path | str, data: bytes, flags: int) -> ByteArray:
    import cv2

    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as cause:
        raise DataError(f"picture {name} does not decode; copy it again") from cause
    if picture is None:
        raise DataError(f"picture {name} does not decode; copy it again")
    return np.asarray(picture, dtype=np.uint8)


def _png_bytes(name: Path | str, data: bytes) -> bytes:
    _check_bytes(name, data)
    if not data.startswith(_PNG):
        raise DataError(f"label map {name} is not a PNG; a lossy format changes class ids")
    return data


def _check_bytes(name: Path | str, data: bytes) -> None:
    """Raise `DataError` unless the size of a picture file's content is bearable and its end is there."""
    _checked_size(name, _open(name, io.BytesIO(data)))
    _check_whole(name, data)


def _checked_size(name: Path | str, image: ImageFile) -> tuple[int, int]:
    width, height = image.size
    if width < 1 or height < 1:
        raise DataError(f"picture {name} says it is {width} x {height} pixels; copy it again")
    if width * height > MAX_PIXELS:
        raise DataError(f"picture {name} says it is {width} x {height} pixels; more than {MAX_PIXELS} are refused")
    return width, height


def _check_whole(name: Path | str, data: bytes) -> None:
    whole = {_PNG[:2]: _png_ends, _JPEG[:2]: _jpeg_ends}.get(data[:2])
    if whole is not None and not whole(data):
        raise DataError(f"picture {name} is cut off or damaged: {len(data)} bytes without its end; copy it again")


def _png_ends(data: bytes) -> bool:
    """Whether the chunks of a PNG, with sound checksums, lead to IEND (PNG specification, 5.3)."""
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data) or struct.unpack_from(">I", data, end - 4)[0] != zlib.crc32(data[at + 4 : end - 4]):
            return False
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at = end
    return False


def _jpeg_ends(data: bytes) -> bool:
    """Whether the segments of a JPEG lead to its end marker (ITU T.81, B.1).

    A plain search would find the end of the thumbnail in the EXIF segment of a cut-off picture, so segments are walked;
    inside entropy-coded data FF is followed by 00 (a plain FF byte) or D0..D7 (restart), or a marker begins. The walk
    is for files with something behind their end; entropy-coded data never holds FF D9, so most need none.
    """
    if data.endswith(b"\xff\xd9"):
        return True
    at = 2
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return False
        marker = data[at + 1]
        if marker == 0xD9:
            return True
        if marker == 0xFF:
            at += 1
        elif marker == 0x00 or 0xD0 <= marker <= 0xD7 or marker == 0x01:
            at += 2
        elif at + 4 > len(data):
            return False
        else:
            at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise _unreadable(path, cause) from cause


def _unreadable(path: Path, cause: OSError) -> DataError:
    if isinstance(cause, FileNotFoundError):
        return DataError(f"picture {path} does not exist")
    return DataError(f"picture {path} cannot be read: {cause.strerror or cause}")


def _in_mat_file(path: Path) -> bool:
    return ".mat#" in path.name


def _read_mat_picture(path: Path) -> ByteArray:
    from facebench.datasets.cofw import read_cofw_image

    file, _, index = path.name.rpartition("#")
    if not index.isdecimal():
        raise DataError(f"picture {path}: what stands after # is not a number")
    return read_cofw_image(path.with_name(file), int(index))
