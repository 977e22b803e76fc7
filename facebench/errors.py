"""The one tree of errors, and the exit code of each.

    FacebenchError            1   the evaluation could not be done
    ├── UsageError            2   an option, name or config makes no sense
    ├── DataError             3   data is missing, damaged or not as its manifest says
    ├── GateBreached          4   a candidate fell behind its baseline by more than the rules allow
    └── NotComparable         5   two results were not measured under the same signature

A `FacebenchError` is printed as one line: what was found, where, and what to do. A traceback means a bug of ours.
An interrupted command (Ctrl-C) exits with 130; what it had done is kept.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_INTERRUPTED = 130


class FacebenchError(Exception):
    """Something that the user can understand and mend; printed as one line, never as a traceback."""

    exit_code = 1


class UsageError(FacebenchError):
    """An option, a name or a config that makes no sense."""

    exit_code = 2


class DataError(FacebenchError):
    """Data that is missing, damaged, hostile or not as its manifest says."""

    exit_code = 3


class GateBreached(FacebenchError):
    """A candidate that fell behind its baseline by more than the rules allow."""

    exit_code = 4


class NotComparable(FacebenchError):
    """Two results that were not measured under the same signature."""

    exit_code = 5


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Error for a name that nobody knows, with the nearest known names.

    Args:
        kind: what was looked up, as a plain noun ("backbone", "dataset").
        name: what the user wrote.
        known: every name that would have been understood.
    """
    known = sorted(known)
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(known) or 'none'}"
    return UsageError(f"unknown {kind} {name!r}; {hint}")
