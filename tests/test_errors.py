"""One tree of errors, one documented exit code each, and names that are nearly right are recognised."""

from __future__ import annotations

import re

import pytest

from facebench import errors
from facebench.errors import (
    DataError,
    FacebenchError,
    GateBreached,
    NotComparable,
    UsageError,
    unknown_name,
)


@pytest.mark.parametrize(
    ("kind", "code"),
    [(FacebenchError, 1), (UsageError, 2), (DataError, 3), (GateBreached, 4), (NotComparable, 5)],
)
def test_exit_codes_are_those_of_the_documentation(kind, code):
    assert kind.exit_code == code
    assert issubclass(kind, FacebenchError)
    # The tree at the top of the file says the same.
    assert re.search(rf"\b{kind.__name__}\s+{code}\b", errors.__doc__)


def test_every_error_of_the_tree_has_a_code_of_its_own():
    kinds = [FacebenchError, *FacebenchError.__subclasses__()]
    codes = [kind.exit_code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert errors.EXIT_INTERRUPTED not in codes
    assert 0 not in codes


@pytest.mark.parametrize("wrong", ["wlfw", "WFLW", "wflv"])
def test_a_near_name_is_suggested(wrong):
    error = unknown_name("dataset", wrong, ["wflw", "300w", "lapa"])
    assert isinstance(error, UsageError)
    assert str(error) == f"unknown dataset '{wrong}'; did you mean 'wflw'?"


def test_a_strange_name_is_answered_with_all_that_is_known():
    assert str(unknown_name("dataset", "zzz", ["wflw", "300w"])) == "unknown dataset 'zzz'; known: 300w, wflw"
    assert str(unknown_name("plug-in", "zzz", [])) == "unknown plug-in 'zzz'; known: none"
