"""From coefficients to the moving face: packed parameter fields and the kernels that add them.

Most parameters move a small part of the head along one axis, so each field is stored as its non-zero block only:
adding forty of them costs a fraction of the dense product of a linear face model, with the same result.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from facebench.shapes import AnyArray
from facebench.synth.compiled import exact
from facebench.synth.expression import JAW_AXIS, Expression, expression_fields, jaw_weight, mouth_opening
from facebench.synth.head import Head, head
from facebench.synth.identity import ShapeField, identity_fields


@dataclass(frozen=True, eq=False)
class PackedFields:
    """Parameter fields as blocks.

    Attributes:
        names: (P,) parameter names in the order of the coefficients.
        spreads: (P,) float, standard deviations.
        table: (blocks, 7) int64: parameter, axis, first row, end row, first column, end column, offset in `data`.
        data: (cells,) float32, mm per unit, blocks one after the other in row-major order.
    """

    names: tuple[str, ...]
    spreads: AnyArray
    table: AnyArray
    data: AnyArray


def pack(fields: list[ShapeField]) -> PackedFields:
    """Cut each field to the block where it exceeds 1/5000 of its peak."""
    table, data, offset = [], [], 0
    for index, field in enumerate(fields):
        for axis, values in field.moves.items():
            size = np.abs(values)
            rows, columns = np.nonzero(size > size.max() * 2e-4)
            r0, r1, c0, c1 = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
            block = values[r0:r1, c0:c1].astype(np.float32).reshape(-1)
            table.append((index, axis, r0, r1, c0, c1, offset))
            data.append(block)
            offset += block.size
    names = tuple(f.name for f in fields)
    return PackedFields(names, np.array([f.spread for f in fields]), np.array(table, np.int64), np.concatenate(data))


@dataclass(frozen=True, eq=False)
class FaceModel:
    """The head with all its parameters: a procedural morphable model, built once."""

    head: Head
    identity: PackedFields
    expression: PackedFields
    jaw: AnyArray
    opening: AnyArray


@cache
def face_model() -> FaceModel:
    """The one face model of the world."""
    grid = head()
    return FaceModel(
        grid,
        pack(identity_fields(grid)),
        pack(expression_fields(grid)),
        jaw_weight(grid).astype(np.float32),
        mouth_opening(grid).astype(np.float32),
    )


@exact
def _add(out: AnyArray, weights: AnyArray, table: AnyArray, data: AnyArray) -> None:
    """Add every block times its weight to out (3, rows, columns)."""
    for k in range(table.shape[0]):
        weight = weights[table[k, 0]]
        if weight == 0.0:
            continue
        axis, c0, c1 = table[k, 1], table[k, 4], table[k, 5]
        o = table[k, 6]
        for r in range(table[k, 2], table[k, 3]):
            row = out[axis, r]
            for c in range(c0, c1):
                row[c] += weight * data[o + c - c0]
            o += c1 - c0


@exact
def _turn_jaw(out: AnyArray, jaw: float, weight: AnyArray, opening: AnyArray, y0: float, z0: float) -> None:
    """Rotate what follows the jaw about its axis, and narrow the open mouth a little."""
    for r in range(out.shape[1]):
        for c in range(out.shape[2]):
            if weight[r, c] == 0.0:
                continue
            angle = jaw * weight[r, c]
            cos, sin = np.cos(angle), np.sin(angle)
            y, z = out[1, r, c] - y0, out[2, r, c] - z0
            out[1, r, c] = y * cos - z * sin + y0
            out[2, r, c] = y * sin + z * cos + z0
            out[0, r, c] *= 1.0 - 0.12 * angle * opening[r, c]


def neutral_positions(shape: AnyArray) -> AnyArray:
    """(3, rows, columns) float32, mm: the neutral face of the given identity coefficients (P,)."""
    model = face_model()
    out = model.head.mean.copy()
    _add(out, shape.astype(np.float32), model.identity.table, model.identity.data)
    return out


def posed_positions(shape: AnyArray, expression: Expression) -> AnyArray:
    """(3, rows, columns) float32, mm: the face of an identity wearing an expression, head upright."""
    model = face_model()
    out = neutral_positions(shape)
    weights = np.array([expression.weights.get(name, 0.0) for name in model.expression.names], np.float32)
    _add(out, weights, model.expression.table, model.expression.data)
    if expression.jaw:
        _turn_jaw(out, float(expression.jaw), model.jaw, model.opening, *JAW_AXIS)
    return out
