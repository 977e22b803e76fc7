"""Which code answers which golden case.

A family is a pattern over the case's id, or over the official function it ran, and an adapter from a case to what the
project computes for it. Cases are told apart by family and parameters alone, so a file with other data, thresholds and
names runs as it is. A case of an unknown name is known by what it feeds: a list of errors, points of faces, or label
maps. A case that nothing knows is an error, never passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tests.golden import (
    crop_cases,
    curve_cases,
    flip_cases,
    heatmap_cases,
    landmark_cases,
    now_cases,
    parsing_cases,
    realy_cases,
)
from tests.golden.case import Case

Adapter: TypeAlias = Callable[[Case], Mapping[str, Any]]

FAMILIES: tuple[tuple[str, Adapter], ...] = tuple(
    family
    for module in (
        heatmap_cases,
        landmark_cases,
        curve_cases,
        parsing_cases,
        crop_cases,
        flip_cases,
        now_cases,
        realy_cases,
    )
    for family in module.FAMILIES
)
"""(pattern that the id, or else the official symbol, must contain; adapter); the first match answers."""

BY_INPUTS: tuple[tuple[Callable[[Case], bool], Adapter], ...] = (
    (curve_cases.is_curve, curve_cases.curves),
    (landmark_cases.is_points, landmark_cases.by_symbol),
    (parsing_cases.is_label_maps, parsing_cases.by_expectation),
)


class UnknownCase(LookupError):
    """No family knows the case."""


def adapter_of(case: Case) -> Adapter:
    """The adapter of `case`. Raises `UnknownCase`."""
    for text in (case.id, case.symbol):
        for pattern, adapter in FAMILIES:
            if re.search(pattern, text):
                return adapter
    for known, adapter in BY_INPUTS:
        if known(case):
            return adapter
    raise UnknownCase(f"no adapter for {case.id} ({case.symbol}); its inputs are {sorted(case.inputs)}")
