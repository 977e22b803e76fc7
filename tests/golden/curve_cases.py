"""Areas under the error curve and failure rates of public codes, from a list of per-image errors.

What a value is follows from its key and the case: whose rule (`simps`, `san`, `spiga`, `luvli`, `exact`, ...), which
quantity (`auc`, `fr`, `nme`, ...) and at which threshold. Ours stand beside: the exact area and the strict rate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from facebench.metrics.auc import (
    STEP,
    AreaAndFailures,
    luvli_auc,
    san_auc,
    simpson_auc,
    simpson_grid,
    simpson_weights,
    spiga_auc,
    strict_failure_rate,
)
from facebench.metrics.landmarks import ced, metrics_of, success_area
from tests.golden.case import Case

CODES = {
    "spiga": "spiga",
    "luvli": "luvli",
    "san": "san",
    "hrnet": "strict",
    "awing": "strict",
    "strict": "strict",
    "exact": "exact",
    "simps": "simpson",
    "farl": "simpson",
    "star": "simpson",
    "pipnet": "simpson",
    "ldeq": "simpson",
    "faceptor": "simpson",
}
"""Word in an id or a key to the rule it stands for."""

PERCENT = {"spiga", "luvli"}
"""Codes that print percent."""


@dataclass(frozen=True, eq=False)
class Context:
    """What a key is read against.

    Attributes:
        code: whose rule.
        errors, percents: (N,) of the part that the key is about, as fractions and in percent.
        everyone: (M,) fractions of the whole case.
        threshold: a fraction.
        step: sampling of the curve in the Simpson family.
        grid: where a cumulative curve is asked for.
    """

    code: str
    errors: np.ndarray
    percents: np.ndarray
    everyone: np.ndarray
    threshold: float | None
    step: float
    grid: Any


def is_curve(case: Case) -> bool:
    """Whether a case of an unknown name is about per-image errors: it feeds one flat list of them."""
    return bool(_error_lists(case))


def curves(case: Case) -> Mapping[str, Any]:
    """Every expected value that can be read as an area, a rate or a mean of the errors."""
    name, values = (_error_lists(case) or _number_lists(case))[0]
    raw = np.asarray(values, dtype=np.float64)
    # Errors are fractions unless their name or their size says percent: no set has a mean error of 200 %.
    percent = bool(re.search("percent|pct", name)) or raw.max(initial=0) > 2
    context = Context(
        code=_code_of(case),
        errors=raw / 100 if percent else raw,
        percents=raw if percent else raw * 100,
        everyone=raw / 100 if percent else raw,
        threshold=_given_threshold(case),
        step=float(case.params.get("step", STEP)),
        grid=next((v for k, v in {**case.inputs, **case.params}.items() if re.search("grid|^xs?$", k)), ()),
    )
    _ours_stands_beside(context)
    return _answer(case.expected, context)


def _error_lists(case: Case) -> list[tuple[str, list[float]]]:
    return [(k, v) for k, v in _number_lists(case) if re.search("nme|err|dist", k.lower())]


def _number_lists(case: Case) -> list[tuple[str, list[float]]]:
    flat = [(k, v) for k, v in case.inputs.items() if isinstance(v, list) and v and isinstance(v[0], (int, float))]
    return [(k, v) for k, v in flat if not re.search("thr|grid", k.lower())]


def _code_of(case: Case) -> str:
    code = _code(case.id) or _code(case.symbol.lower()) or "exact"
    version = re.match(r"1\.(\d+)", str(case.params.get("scipy", "")))
    return "simpson-new" if code == "simpson" and version and int(version[1]) > 10 else code


def _code(text: str) -> str | None:
    """The rule that `text` names first; `auc.simps.spiga_300w` is Simpson's on SPIGA's errors."""
    text = text.lower()
    if found := re.search(r"scipy(.*)", text):
        return "simpson-new" if re.search(r"new|ge|1[._]1[1-9]", found[1]) else "simpson"
    places = {m.start(1): rule for word, rule in CODES.items() if (m := re.search(rf"(?:^|[^a-z])({word})", text))}
    return places[min(places)] if places else None


def _fraction(text: str) -> float:
    """A threshold as written: `0.07`, `008` (0.08), `8` (8 %)."""
    value = float(text)
    return value if value < 1 else value / 100


def _given_threshold(case: Case) -> float | None:
    for name, value in {**case.inputs, **case.params}.items():
        if "thr" in name and isinstance(value, (int, float)):
            return _fraction(str(value))
    found = re.search(r"\.(0\.\d+|\d+)$", case.id)
    return _fraction(found[1]) if found else None


def _answer(expected: Mapping[str, Any], context: Context) -> dict[str, Any]:
    found = {}
    for key, value in expected.items():
        here = replace(context, code=_code(key) or context.code, threshold=_key_threshold(key) or context.threshold)
        here = _part(key.lower(), here)
        if isinstance(value, Mapping):
            found[key] = _answer(value, here)
        else:
            for answer in _quantity(key.lower(), here):
                found[key] = answer
    return found


PARTS: Mapping[int, tuple[tuple[str, slice], ...]] = {
    689: (("common", slice(0, 554)), ("chall|ibug", slice(554, 689))),
    600: (("indoor", slice(0, 300)), ("outdoor", slice(300, 600))),
}
"""300W and its private test by number of faces, in the order of LUVLi `calculate_auc_from_nme.py` and SPIGA."""


def _part(key: str, c: Context) -> Context:
    """`c` for the faces that `key` names a part of, or for all of them."""
    chosen = next((part for name, part in PARTS.get(len(c.errors), ()) if re.search(name, key)), slice(None))
    return replace(c, errors=c.errors[chosen], percents=c.percents[chosen])


def _key_threshold(key: str) -> float | None:
    key = re.sub(r"scipy.*|p9\d", "", key.lower())
    found = re.search(r"(?:auc|fr|acc|simps|exact)[a-z_@]*?(0\.\d+|\d+)", key)
    return _fraction(found[1]) if found else None


def _quantity(key: str, c: Context) -> Iterator[Any]:
    """The value of `key`, or nothing where it is not understood."""
    says_percent, says_fraction = re.search("percent|pct", key), re.search("frac", key)
    unit = 100 if says_percent or (c.code in PERCENT and not says_fraction) else 1
    if key in ("n", "n_images", "count"):
        yield len(c.errors)
    elif percentile := re.search(r"p(\d\d)$", key):
        yield np.percentile(c.percents if unit == 100 else c.errors, int(percentile[1]))
    elif re.search("percentiles|nmpe", key):  # SPIGA's three
        yield np.percentile(c.percents if unit == 100 else c.errors, (90, 95, 99))
    elif re.match("ced|cumulative", key):
        yield ced(c.errors, np.asarray(c.grid, dtype=np.float64))
    elif key == "n_bins":
        yield len(simpson_grid(c.threshold, c.step))
    elif key == "last_x":
        yield simpson_grid(c.threshold, c.step)[-1]
    elif key.endswith("rounded"):  # STAR prints these: lib/metric/fr_and_auc.py
        yield [round(_failures(c), 4), round(_area(c), 6)]
    elif re.match("acc", key):
        yield (1 - _failures(c)) * unit
    elif re.search("auc|area|simps|exact", key) and not re.search(r"(^|_)fr", key):
        yield _area(c) * unit
    elif re.search(r"(^|_)fr|fail", key):
        yield _failures(c) * unit
    elif re.search("std", key):
        yield c.errors.std() * unit
    elif re.search("nme|mean", key):
        yield c.percents.mean() if unit == 100 else c.errors.mean()


def _area(c: Context) -> float:
    """Area under the curve, a fraction."""
    if c.code == "simpson-new":
        from scipy.integrate import simpson

        grid = simpson_grid(c.threshold, c.step)
        return float(simpson(ced(c.errors, grid), x=grid) / c.threshold)
    if c.code == "luvli":
        return luvli_auc(c.errors, _percent(c.threshold)) / 100
    if c.code in ("strict", "exact"):
        return float(success_area(c.errors, c.threshold).mean())
    return _both(c).area


def _failures(c: Context) -> float:
    """Failure rate, a fraction."""
    if c.code == "luvli":  # read from the whole file, whichever part the row is about
        return strict_failure_rate(c.everyone, c.threshold)
    return strict_failure_rate(c.errors, c.threshold) if c.code in ("strict", "exact") else _both(c).failures


def _both(c: Context) -> AreaAndFailures:
    if c.code == "spiga":
        percent = spiga_auc(c.percents, _percent(c.threshold))
        return AreaAndFailures(percent.area / 100, percent.failures / 100)
    return san_auc(c.errors, c.threshold) if c.code == "san" else simpson_auc(c.errors, c.threshold, c.step)


def _percent(fraction: float) -> float:
    """8 for 0.08, without the rounding of 100 x 0.07."""
    return round(100 * fraction, 9)


def _ours_stands_beside(c: Context) -> None:
    """Ours against the code's own: the exact area and the strict rate, and how far the two may lie apart."""
    if c.threshold is None:
        return
    t = _percent(c.threshold)
    ours = {m.name: m.value({"error-x": c.errors}) for m in metrics_of(["x"], {"x": (t,)})}
    assert ours[f"auc{t:g}-x"] == _near(success_area(c.errors, t / 100).mean(), 1e-12)
    assert ours[f"fr{t:g}-x"] == _near(100 * np.mean([e > t / 100 for e in c.errors]), 1e-12)
    assert ours[f"auc{t:g}-x-simpson"] == _near(simpson_auc(c.errors, t / 100).area, 1e-12)
    # Simpson's sum differs from the area of a staircase by at most a few steps at every stair.
    assert ours[f"auc{t:g}-x-simpson"] == _near(ours[f"auc{t:g}-x"], 3 * STEP / c.threshold)


def _near(value: float, atol: float) -> Any:
    return pytest.approx(value, rel=0, abs=atol)


def float32_tie(case: Case) -> Mapping[str, Any]:
    """FaRL with single-precision errors: numpy < 2 compared `float32 <= float64 scalar` in single precision.

    An error of float32(0.1) = 0.1000000015 is then a success at 0.1. Ours compares in float64: a failure.
    """
    errors = np.asarray(next(v for k, v in case.inputs.items() if "float32" in k), dtype=np.float32)
    threshold = _given_threshold(case)
    grid = simpson_grid(threshold)
    rounded = grid.astype(np.float32)
    single = ced(errors.astype(np.float64), rounded.astype(np.float64))
    official = float(simpson_weights(grid) @ single / threshold)
    double = simpson_auc(errors.astype(np.float64), threshold)
    ties = np.mean((errors <= rounded[-1]) & (errors > grid[-1]))
    assert double.failures - (1 - single[-1]) == _near(float(ties), 1e-12)
    if str(case.params.get("numpy", "1"))[0] != "1":  # NEP 50: in double precision, as ours
        official, single = double.area, 1 - np.array([double.failures])
    found = {"auc": official, "fr": 1 - single[-1], "auc_x": official, "fr_x": 1 - single[-1]}
    return found | {"float64_compare_fr": double.failures, "float64_compare_auc": double.area}


FAMILIES = (
    (r"^auc\..*float32", float32_tie),
    (r"^(auc|fr|acc|ced)\.", curves),
    (r"compute_fr_and_auc|AUC_FR|FR_AUC|calculate_auc|_auc_fr_metrics", curves),
)
