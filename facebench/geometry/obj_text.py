"""Vertices and faces out of the bytes of an OBJ file, without a Python step for each line.

A plain file is read by `obj_kernel`; what follows here reads the rest, ten times slower, and names what is wrong.

Only `v` and `f` count. Of a `v` line the first three numbers are kept: the official NoW reader pushes every number of
the line, so that vertex colours corrupt the mesh there (now_evaluation issue 22). Of an `f` word the vertex index
counts: `a`, `a/b`, `a//c` or `a/b/c`, 1-based or negative from the vertices before the line. Polygons become fans.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebench.errors import DataError
from facebench.shapes import AnyArray, BoolArray, ByteArray, FloatArray, IntArray
from facebench.types import Mesh

_BLANKS = b" \t\r\n\v\f"
_LONGEST_WORD = 64  # bytes; the parser of numbers must never see megabytes without a blank


@dataclass(frozen=True, eq=False)
class _Words:
    """Where the words of a text lie.

    Attributes:
        text: (n,) the bytes, comments removed, a newline before and after.
        starts, stops: (w,) range of each word.
        heads: (h,) index of the first word of each line that has one.
        counts: (h,) number of words of those lines.
    """

    text: ByteArray
    starts: IntArray
    stops: IntArray
    heads: IntArray
    counts: IntArray

    def line(self, word: int) -> int:
        """Line of a word in the file, 1-based."""
        return int((self.text[: self.starts[word]] == ord("\n")).sum())


def parse_obj(content: bytes, path: Path) -> Mesh:
    """Mesh of an OBJ file's `content`; `path` is for messages. Raises `DataError` where a line makes no sense."""
    return _parse_plain(content) or _parse_any(content, path)


def _parse_plain(content: bytes) -> Mesh | None:
    """Mesh of a file as nearly every writer writes it; None where there is anything else in it."""
    from facebench.geometry import obj_kernel  # numba takes a moment that listing names must not pay

    if b"\\" in content:
        return None
    text = np.frombuffer(content + b"\n ", dtype=np.uint8)
    most_vertices, most_faces = obj_kernel.count_lines(text)
    vertices, faces = np.empty((most_vertices, 3)), np.empty((max(most_faces, 0), 3), dtype=np.int64)
    hard = np.empty((3 * most_vertices, 4), dtype=np.int64)
    v, f, h = obj_kernel.read_obj(text, vertices, faces, hard)
    if v < 0:
        return None
    for vertex, axis, start, stop in hard[:h].tolist():
        vertices[vertex, axis] = float(content[start:stop])
    return Mesh(vertices=vertices[:v], faces=faces[:f])


def _parse_any(content: bytes, path: Path) -> Mesh:
    words = _split(content)
    is_vertex, is_face = _lines_of(words, b"v"), _lines_of(words, b"f")
    vertices = _vertices(words, is_vertex, path)
    return Mesh(vertices=vertices, faces=_faces(words, is_face, np.cumsum(is_vertex), path))


def _split(content: bytes) -> _Words:
    if b"\\" in content:
        content = re.sub(rb"\\(\r?)\n", rb" \1", content)  # a line that goes on
    if b"#" in content:
        content = re.sub(rb"#[^\n]*", b"", content)
    text = np.frombuffer(b"\n" + content + b"\n", dtype=np.uint8)
    blank = np.zeros(256, dtype=bool)
    blank[list(_BLANKS)] = True
    is_blank = blank[text]
    edges = np.flatnonzero(is_blank[1:] != is_blank[:-1]) + 1
    starts, stops = edges[::2], edges[1::2]
    heads = np.searchsorted(starts, np.flatnonzero(text[:-1] == ord("\n")))
    heads = heads[(np.diff(heads, prepend=-1) > 0) & (heads < len(starts))]
    return _Words(text, starts, stops, heads, np.diff(heads, append=len(starts)))


def _lines_of(words: _Words, keyword: bytes) -> BoolArray:
    """Which of the lines begin with the one-letter word `keyword`."""
    starts, stops = words.starts[words.heads], words.stops[words.heads]
    return np.asarray((stops - starts == 1) & (words.text[starts] == keyword[0]))


def _vertices(words: _Words, chosen: BoolArray, path: Path) -> FloatArray:
    counts = _argument_counts(words, chosen, 3, "vertex", path)
    numbers = _parse(words, chosen, words.text, np.float64, "vertex", path)
    first = np.cumsum(counts) - counts
    return np.asarray(numbers[first[:, None] + np.arange(3)], dtype=np.float64)


def _faces(words: _Words, chosen: BoolArray, known: IntArray, path: Path) -> IntArray:
    """Triangles of the chosen lines; `known` (h,) is the number of vertices up to each line, for negative indices."""
    counts = _argument_counts(words, chosen, 3, "face", path)
    indices = _parse(words, chosen, _without_attributes(words), np.int64, "face", path)
    line = np.repeat(np.arange(len(counts)), counts)
    if (indices == 0).any():
        at = words.line(words.heads[chosen][line[np.argmax(indices == 0)]])
        raise DataError(f"{path}:{at}: a face names vertex 0; OBJ indices start at 1")
    indices = np.where(indices < 0, known[chosen][line] + indices, indices - 1)
    # A polygon (a, b, c, d) becomes (a, b, c), (a, c, d): its corner j goes with corner j + 1 and the first.
    first = np.cumsum(counts) - counts
    fan = np.repeat(first, counts - 2)
    corner = np.arange(len(fan)) - np.repeat(np.cumsum(counts - 2) - (counts - 2), counts - 2) + 1
    return np.stack([indices[fan], indices[fan + corner], indices[fan + corner + 1]], axis=1)


def _argument_counts(words: _Words, chosen: BoolArray, least: int, noun: str, path: Path) -> IntArray:
    """Number of words after the keyword on each of the chosen lines."""
    counts = words.counts[chosen] - 1
    if (counts < least).any():
        at = np.argmax(counts < least)
        where = f"{path}:{words.line(words.heads[chosen][at])}"
        raise DataError(f"{where}: a {noun} with {counts[at]} numbers, expected at least {least}; is the file cut?")
    return np.asarray(counts)


def _without_attributes(words: _Words) -> ByteArray:
    """The text with `/b/c` of each word blanked."""
    slashes = np.flatnonzero(words.text == ord("/"))
    if not len(slashes):
        return words.text
    # Everything from a word's first slash to its end.
    owner = np.searchsorted(words.starts, slashes, side="right") - 1
    first = np.diff(owner, prepend=-1) > 0
    change = np.zeros(len(words.text), dtype=np.int8)
    change[slashes[first]], change[words.stops[owner[first]]] = 1, -1
    text = words.text.copy()
    text[np.cumsum(change, dtype=np.int8).view(np.bool_)] = ord(" ")
    return text


def _parse(words: _Words, chosen: BoolArray, text: ByteArray, dtype: type, noun: str, path: Path) -> AnyArray:
    """Numbers after the keyword on each of the chosen lines, in order."""
    wanted = np.repeat(chosen, words.counts)
    wanted[words.heads] = False  # the keyword
    picked = np.flatnonzero(wanted)
    if not len(picked):
        return np.empty(0, dtype=dtype)
    longest = (words.stops[picked] - words.starts[picked]).max()
    if longest > _LONGEST_WORD:
        raise DataError(f"{path}: a {noun} holds a word of {longest} characters, which is no number")
    heads = words.starts[words.heads]
    inside = np.repeat(np.append(False, chosen), np.diff(heads, prepend=0, append=len(text)))
    inside[heads] = False  # the keyword, one letter
    # The number at the end proves that the parser came that far; the count, that no word held two numbers.
    end = dtype(-98765432)
    try:
        numbers: AnyArray = np.fromstring(text[inside].tobytes() + b" -98765432", dtype=dtype, sep=" ")
    except (ValueError, DeprecationWarning):
        numbers = np.empty(0, dtype=dtype)
    if len(numbers) != len(picked) + 1 or numbers[-1] != end:
        raise DataError(f"{path}{_first_bad(words, picked, text, dtype, noun)}")
    return numbers[:-1]


def _first_bad(words: _Words, picked: IntArray, text: ByteArray, dtype: type, noun: str) -> str:
    """What the first of the `picked` words is that is not a number, and on which line."""
    kind = float if dtype is np.float64 else int
    for i in picked:
        word = text[words.starts[i] : words.stops[i]].tobytes().decode("latin-1").strip()
        try:
            kind(word)
        except ValueError:
            return f":{words.line(i)}: {word!r} in a {noun} is not a number"
    return f": the numbers of a {noun} cannot be read"
