"""What may be ranked together, and in which order.

Two results are ranked together only where everything that makes a number what it is agrees: data set, split, evaluator
and its version, headline key, and the whole signature. Ranks are those of full-precision values, so rounding never
makes a tie, and equal values share a rank (1, 1, 3). A result that did not score every sample, that has no headline
value, or that is the floor (no backbone and no predictions: zero skill) is shown without a rank, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facebench.errors import DataError
from facebench.record import Result, Score

FLOOR = "floor"
"""What a backbone spec reads where a predictor without skill (mean shape, majority label) was judged."""


@dataclass(frozen=True)
class Ranked:
    """One result and its place.

    Attributes:
        rank: 1 is best; None where the result is not ranked.
        reason: why it is not ranked; None where it is.
    """

    result: Result
    rank: int | None
    reason: str | None


@dataclass(frozen=True)
class Group:
    """Results that may be compared, best first, those without a rank last.

    Attributes:
        dataset: `wflw`.
        split: `test`.
        evaluator: name and version: `landmarks v1`.
        headline: key that the rows are ranked by.
        signature: what all rows agree on.
    """

    dataset: str
    split: str
    evaluator: str
    headline: str
    signature: str
    rows: tuple[Ranked, ...]


def rank(results: Iterable[Result]) -> tuple[Group, ...]:
    """Groups of comparable results, in the order of their names. Raises `DataError` where there is no result."""
    groups: dict[tuple[str, str, str, str, str], list[Result]] = {}
    for result in _distinct(results):
        groups.setdefault(_comparable(result), []).append(result)
    if not groups:
        raise DataError("no result to rank; `facebench run` and `facebench score` write them")
    return tuple(Group(*key, rows=_order(groups[key])) for key in sorted(groups))


def headline(result: Result) -> Score:
    """The score that a result is ranked by: the first that is marked as headline. Raises `DataError`."""
    for score in result.scores:
        if score.headline:
            return score
    where = f"{result.dataset.name}/{result.dataset.split}"
    raise DataError(f"the record of {result.subject!r} on {where} marks no score as its headline")


def is_floor(result: Result) -> bool:
    """Whether nobody's skill was judged: neither a backbone nor predictions stand behind the numbers."""
    if result.backbone is None:
        return result.predictions is None
    return result.backbone.spec == FLOOR


def _distinct(results: Iterable[Result]) -> Sequence[Result]:
    """Every record once: a folder and a file inside it may both have been named."""
    return list({result.model_dump_json(): result for result in results}.values())


def _comparable(result: Result) -> tuple[str, str, str, str, str]:
    evaluator = f"{result.evaluator} v{result.evaluator_version}"
    return result.dataset.name, result.dataset.split, evaluator, headline(result).key, result.signature


def _order(results: Iterable[Result]) -> tuple[Ranked, ...]:
    judged = [(result, _why_unranked(result)) for result in results]
    good = sorted((r for r, reason in judged if reason is None), key=_by_value)
    rest = sorted((pair for pair in judged if pair[1] is not None), key=lambda p: (is_floor(p[0]), *_by_value(p[0])))
    values = [headline(result).value for result in good]
    # index() finds the first of equal values, so ties share the better place and the next place is skipped.
    ranked = [Ranked(r, rank=values.index(value) + 1, reason=None) for r, value in zip(good, values, strict=True)]
    return (*ranked, *(Ranked(result, rank=None, reason=reason) for result, reason in rest))


def _why_unranked(result: Result) -> str | None:
    if is_floor(result):
        return "floor"
    if not result.counts.complete:
        return f"incomplete: {result.counts.shortfall}"
    score = headline(result)
    if score.value is None:
        return f"undefined: {score.reason or 'no reason given'}"
    return None


def _by_value(result: Result) -> tuple[bool, float, str, str]:
    """Best first, then by name and time, so that the order never depends on the order of the files."""
    score = headline(result)
    value = 0.0 if score.value is None else score.value if score.direction == "lower" else -score.value
    return score.value is None, value, result.subject, result.created
