"""Vertices and triangles out of the bytes of a plain OBJ file, at about a nanosecond a byte: a kernel.

It reads what nearly every writer writes, and gives up on anything else: then `obj_text` reads the file, or says what is
wrong with it. A number is rounded correctly, as `float` does: up to eighteen digits are an integer, divided by a power
of ten in twice the precision; where that cannot tell how to round, the number is left to `float`.
"""

from __future__ import annotations

import numba
import numpy as np

from facebench.shapes import AnyArray, ByteArray, FloatArray, IntArray

_POWERS = 10.0 ** np.arange(23)  # exact in double precision
_LIMIT = 2**53

LONGEST_WORD = 64  # bytes

BLANK, BREAK, PLAIN = 1, 2, 0
_KINDS = np.zeros(256, dtype=np.uint8)
_KINDS[list(b" \t\r\v\f")] = BLANK
_KINDS[ord("\n")] = BREAK
_HASH, _SLASH, _PLUS, _MINUS, _POINT, _ZERO, _SMALL_E, _E = (ord(c) for c in "#/+-.0eE")
_V, _F = ord("v"), ord("f")


@numba.njit(cache=True, nogil=True, inline="always")
def _skip_blanks(text: ByteArray, at: int) -> int:
    while _KINDS[text[at]] == BLANK:
        at += 1
    return at


@numba.njit(cache=True, nogil=True, inline="always")
def _next_line(text: ByteArray, at: int) -> int:
    while text[at] != 10:
        at += 1
    return at + 1


@numba.njit(cache=True, nogil=True, inline="always")
def _ends_line(text: ByteArray, at: int) -> bool:
    return bool(text[at] == 10 or text[at] == _HASH)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _quotient(digits: int, places: int) -> tuple[float, bool]:
    """Digits / 10**places rounded correctly, and whether that is certain."""
    power = _POWERS[places]
    if digits < _LIMIT:
        return digits / power, True  # both exact, so one rounding
    high = float(digits)
    low = float(digits - np.int64(high))
    first = high / power
    # The remainder high - first * power, exactly: Dekker's product.
    big, wide = first * 134217729.0, power * 134217729.0
    a, b = big - (big - first), wide - (wide - power)
    c, d = first - a, power - b
    product = first * power
    error = ((a * b - product) + a * d + c * b) + c * d
    rest = ((high - product) - error + low) / power
    up, down = first + rest * (1 + 2.0**-48), first + rest * (1 - 2.0**-48)
    return first + rest, up == down


@numba.njit(cache=True, nogil=True)
def read_number(text: ByteArray, at: int) -> tuple[float, int, int]:
    """Number at `at`, where it ends, and 0; 1 in place of 0 where `float` must read it, 2 where it is none."""
    negative, head = text[at] == _MINUS, at
    if negative or text[at] == _PLUS:
        at += 1
    digits, count, places, exponent, after_point = 0, 0, 0, 0, False
    start = at
    while True:
        digit = int(np.int64(text[at])) - _ZERO
        if 0 <= digit <= 9:
            if count < 18:
                digits = digits * 10 + digit
            count += 1 if digits > 0 else 0
            places += 1 if after_point else 0
        elif text[at] == _POINT and not after_point:
            after_point = True
        else:
            break
        at += 1
    if at - start <= (1 if after_point else 0):
        return 0.0, at, 2
    if text[at] == _E or text[at] == _SMALL_E:
        at += 1
        minus = text[at] == _MINUS
        if minus or text[at] == _PLUS:
            at += 1
        first = at
        while 0 <= np.int64(text[at]) - _ZERO <= 9 and at - first < 6:
            exponent = exponent * 10 + int(np.int64(text[at])) - _ZERO
            at += 1
        if at == first:
            return 0.0, at, 2
        exponent = -exponent if minus else exponent
    if (_KINDS[text[at]] == PLAIN and text[at] != _HASH) or at - head > LONGEST_WORD:
        return 0.0, at, 2
    value, sure = 0.0, count <= 18
    places -= exponent
    if digits > 0 and sure:
        if 0 <= places <= 22:
            value, sure = _quotient(digits, places)
        elif -22 <= places < 0 and digits < _LIMIT:
            value = digits * _POWERS[-places]
        else:
            sure = False
    return -value if negative else value, at, 0 if sure else 1


@numba.njit(cache=True, nogil=True)
def _read_index(text: ByteArray, at: int, known: int) -> tuple[int, int]:
    """Vertex index, from 0, of the face word at `at`, and where the word ends; -1 where it makes no sense."""
    negative = text[at] == _MINUS
    if negative:
        at += 1
    value, start = 0, at
    while 0 <= np.int64(text[at]) - _ZERO <= 9 and at - start < 12:
        value = value * 10 + int(np.int64(text[at])) - _ZERO
        at += 1
    if at == start or value == 0 or not (_KINDS[text[at]] != PLAIN or text[at] == _SLASH):
        return -1, at
    while _KINDS[text[at]] == PLAIN:
        if text[at] == _HASH:
            return -1, at
        at += 1
    return known - value if negative else value - 1, at


@numba.njit(cache=True, nogil=True)
def count_lines(text: ByteArray) -> tuple[int, int]:
    """Number of vertex lines, and of triangles at most, in `text`, which ends with a line break and a blank."""
    vertices, triangles, at = 0, 0, 0
    while at < len(text) - 1:
        at = _skip_blanks(text, at)
        if text[at] == _V and _KINDS[text[at + 1]] == BLANK:
            vertices += 1
        elif text[at] == _F and _KINDS[text[at + 1]] == BLANK:
            at += 1
            while text[at] != 10:
                triangles += 1 if _KINDS[text[at]] == BLANK and _KINDS[text[at + 1]] == PLAIN else 0
                at += 1
            triangles -= 2
        at = _next_line(text, at)
    return vertices, triangles


@numba.njit(cache=True, nogil=True)
def read_obj(text: ByteArray, vertices: FloatArray, faces: IntArray, hard: AnyArray) -> tuple[int, int, int]:
    """Fill the arrays; returns the number of vertices, of triangles and of hard words, or -1 for each to give up.

    Args:
        text: the file, ending with a line break and a blank.
        vertices: (V, 3) written.
        faces: (F, 3) written, from 0.
        hard: (H, 4) int64 written: vertex, axis, start and stop of each number that `float` must read.
    """
    v, f, h, at = 0, 0, 0, 0
    while at < len(text) - 1:
        at = _skip_blanks(text, at)
        kind = text[at] if _KINDS[text[at + 1]] == BLANK else np.uint8(0)
        if kind == _V:
            at, word = _skip_blanks(text, at + 1), 0
            while not _ends_line(text, at):
                value, stop, state = read_number(text, at)
                if state == 2:
                    return -1, -1, -1
                if word < 3:
                    vertices[v, word] = value
                    if state == 1:
                        if h == len(hard):
                            return -1, -1, -1
                        hard[h, 0], hard[h, 1], hard[h, 2], hard[h, 3] = v, word, at, stop
                        h += 1
                at, word = _skip_blanks(text, stop), word + 1
            if word < 3:
                return -1, -1, -1
            v += 1
        elif kind == _F:
            at, word, first, last = _skip_blanks(text, at + 1), 0, 0, 0
            while not _ends_line(text, at):
                index, stop = _read_index(text, at, v)
                if index < 0 or (word > 1 and f == len(faces)):
                    return -1, -1, -1
                if word == 0:
                    first = index
                elif word > 1:
                    faces[f, 0], faces[f, 1], faces[f, 2] = first, last, index
                    f += 1
                last = index
                at, word = _skip_blanks(text, stop), word + 1
            if word < 3:
                return -1, -1, -1
        at = _next_line(text, at)
    return v, f, h
