from __future__ import annotations

import pytest

from tests.golden.adapters import adapter_of
from tests.golden.case import Case, differences


def test_golden(golden_case: Case):
    check(golden_case)


def check(case: Case) -> None:
    """Run `case` and compare. Never passes over a case: an adapter that skips is a failure."""
    try:
        found = adapter_of(case)(case)
    except pytest.skip.Exception as cause:
        pytest.fail(f"{case.id} was skipped: {cause}")
    off = list(differences(case.expected, found, 0.0 if case.atol is None else case.atol))
    if case.atol is None:
        print(f"{case.id} informs only:", *(off or ["every value is equal"]), sep="\n  ")
        return
    assert not off, f"{case.id}:\n  " + "\n  ".join(off)
