"""A golden case: what an official code was fed, what it gave, and how both are read from a file.

Format: `{meta, shared_inputs, cases: [{id, inputs, params, expected, atol, source, ...}]}`. `{"$ref": name}` stands for
`shared_inputs[name]`, `{"__float__": "nan"}` for a number JSON cannot hold. `atol` is absolute; null means that the
values only inform.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Case:
    """One case, with every reference resolved.

    Attributes:
        id: dotted name; its first part is the family.
        inputs: what the official code was fed.
        params: its settings.
        expected: what it gave, by name.
        atol: absolute tolerance; None where the values only inform.
        symbol: repository and function that were run.
        shared: inputs that other inputs may name in an expression.
    """

    id: str
    inputs: Mapping[str, Any]
    params: Mapping[str, Any]
    expected: Mapping[str, Any]
    atol: float | None
    symbol: str
    shared: Mapping[str, Any]

    def array(self, *names: str) -> np.ndarray:
        """The first of `names` that the inputs hold, as float64."""
        for name in names:
            if name in self.inputs:
                return np.asarray(self.inputs[name], dtype=np.float64)
        raise KeyError(f"{self.id} has none of the inputs {names}; it has {sorted(self.inputs)}")


def read_cases(path: Path) -> tuple[Case, ...]:
    """Every case of a file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    shared = resolve(content.get("shared_inputs", {}), {})
    cases = tuple(_read(entry, shared) for entry in content["cases"])
    assert cases, f"{path} holds no case"
    ids = [case.id for case in cases]
    assert len(set(ids)) == len(ids), f"{path} names a case twice"
    return cases


def _read(entry: Mapping[str, Any], shared: Mapping[str, Any]) -> Case:
    source = entry.get("source") or {}
    symbol = " ".join(str(source.get(part, "")) for part in ("repo", "symbol")) if isinstance(source, dict) else source
    inputs, params = (resolve(entry.get(part) or {}, shared) for part in ("inputs", "params"))
    return Case(entry["id"], inputs, params, resolve(entry["expected"], shared), entry["atol"], str(symbol), shared)


def resolve(value: Any, shared: Mapping[str, Any]) -> Any:
    """`value` with references and special floats put in."""
    if isinstance(value, Mapping):
        if set(value) == {"$ref"}:
            return shared[value["$ref"]]
        if set(value) == {"__float__"}:
            return float(value["__float__"])
        return {key: resolve(part, shared) for key, part in value.items()}
    return [resolve(part, shared) for part in value] if isinstance(value, list) else value


def differences(expected: Any, found: Any, atol: float, path: str = "") -> Iterator[str]:
    """Every way in which `found` is not `expected`, one line each; more keys than expected are fine."""
    if isinstance(expected, Mapping):
        for key, part in expected.items():
            if not isinstance(found, Mapping) or key not in found:
                yield f"{path}{key}: expected, but not computed"
            else:
                yield from differences(part, found[key], atol, f"{path}{key}.")
    elif isinstance(expected, str) or expected is None or isinstance(expected, bool):
        if expected != found:
            yield f"{path[:-1]}: expected {expected!r}, found {found!r}"
    else:
        yield from _unequal_numbers(expected, found, atol, path[:-1])


def _unequal_numbers(expected: Any, found: Any, atol: float, path: str) -> Iterator[str]:
    wanted, got = np.asarray(expected, dtype=np.float64), np.asarray(found, dtype=np.float64)
    if wanted.shape != got.shape:
        yield f"{path}: expected shape {wanted.shape}, found {got.shape}"
        return
    off = np.where(np.isnan(wanted) & np.isnan(got) | (wanted == got), 0.0, np.abs(wanted - got))
    worst = float(np.max(np.where(np.isnan(off), math.inf, off), initial=0.0))
    if worst > atol:
        at = np.unravel_index(np.argmax(np.where(np.isnan(off), math.inf, off)), off.shape)
        where = f"[{', '.join(map(str, at))}]" if at else ""
        yield f"{path}{where}: expected {float(wanted[at])!r}, found {float(got[at])!r}; off by {worst:.3g} > {atol:g}"
