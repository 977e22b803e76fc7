"""May a candidate go in? Non-inferiority to a baseline, score by score, and it fails closed.

With d the change for the worse, its 95 % interval and the margin m of the rules: the whole interval below m is a pass,
the whole interval above m a breach, anything else inconclusive. Every headline score must pass, so there is nothing to
correct for: more scores make the gate stricter, not luckier. What cannot be judged (no baseline, another signature,
another revision of the data, fewer samples scored) raises `NotComparable` and is never a pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from facebench.cells import Cell
from facebench.errors import DataError, GateBreached, NotComparable, UsageError, unknown_name
from facebench.paired import Difference, differences, seed_noise
from facebench.verdicts.joined import Contest, Joined, contests, join
from facebench.verdicts.rows import Row, read_rows
from facebench.verdicts.rules import Margin, Rules, read_rules

if TYPE_CHECKING:
    from facebench.registry import Registry

Outcome = Literal["pass", "breach", "inconclusive"]

FEWEST_SEEDS = 3
"""Replicates of the baseline that a standard deviation over seeds needs."""


@dataclass(frozen=True, eq=False)
class Check:
    """One score against its margin.

    Attributes:
        cell: what was measured.
        contest: where, in words.
        difference: candidate less baseline.
        margin: as the rules say it.
        allowed: the margin in the score's unit.
        low: the better end of the change for the worse; NaN where it is undefined.
        high: its worse end.
        outcome: what follows.
        needed: samples that would decide, if the change stayed what it is; None where it is decided, or none would.
    """

    cell: Cell
    contest: str
    difference: Difference
    margin: Margin
    allowed: float
    low: float
    high: float
    outcome: Outcome
    needed: int | None


@dataclass(frozen=True, eq=False)
class GateReport:
    """What the gate found.

    Attributes:
        baseline: name of the baseline.
        candidate: name of the candidate.
        checks: one a score.
        allow_inconclusive: whether what could not be decided passes.
    """

    baseline: str
    candidate: str
    checks: tuple[Check, ...]
    allow_inconclusive: bool

    @property
    def stopping(self) -> tuple[Check, ...]:
        """The checks for which the candidate may not go in."""
        return tuple(
            check
            for check in self.checks
            if check.outcome == "breach" or (check.outcome == "inconclusive" and not self.allow_inconclusive)
        )

    @property
    def passed(self) -> bool:
        """Whether the candidate may go in."""
        return not self.stopping


def judge(
    baseline: Sequence[Row], candidate: Sequence[Row], rules: Rules, registry: Registry, *, seed: int = 0
) -> GateReport:
    """Check every headline score of the baseline, and every score that the rules name.

    Args:
        baseline: its rows; several of one benchmark are replicates.
        candidate: its rows.
        rules: the margins.
        registry: where data sets and evaluators are looked up.
        seed: of the resamples.

    Raises:
        UsageError: a score without a margin, or a rule for a score that nobody has.
        NotComparable: the candidate lacks something that the baseline has, or was measured otherwise.
    """
    shared, lacking = contests(baseline, candidate)
    if missing := [text for text in lacking if text.endswith("only the base has it")]:
        raise NotComparable(f"the candidate lacks what the baseline was judged on: {'; '.join(missing)}")
    joined = [(contest, _joined(contest, registry)) for contest in shared]
    _check_names(rules, [both for _, both in joined])
    checks = [check for contest, both in joined for check in _checks(contest, both, rules, seed)]
    subjects = (baseline[0].result.subject, candidate[0].result.subject)
    return GateReport(*subjects, tuple(checks), rules.allow_inconclusive)


def _joined(contest: Contest, registry: Registry) -> Joined:
    """The samples of a contest, none of which the candidate may lack."""
    both = join(contest, registry)
    for row in (*contest.base, *contest.candidate):
        lost = len({name for other in contest.base for name in other.table.ids} - set(row.table.ids))
        if lost:
            raise NotComparable(f"{contest.name}: {row.source} scored {lost:,} samples fewer than the baseline")
    return both


def _check_names(rules: Rules, joined: Sequence[Joined]) -> None:
    known = [key for both in joined for key in both.cells]
    for key in rules.score:
        if key not in known:
            raise unknown_name("score in the rules:", key, known)
    for key in (key for both in joined for key in both.headline):
        if key not in rules.score and rules.default is None:
            raise UsageError(f'{key} has no margin: give it a [score."{key}"], or all of them a [default]')


def _checks(contest: Contest, both: Joined, rules: Rules, seed: int) -> list[Check]:
    keys = [*both.headline, *(key for key in rules.score if key in both.cells and key not in both.headline)]
    cells = [both.cells[key] for key in keys]
    found = differences([(c.metric, c.mask) for c in cells], both.base, both.candidate, both.clusters, seed=seed)
    made = []
    for cell, difference in zip(cells, found, strict=True):
        margin = rules.score.get(cell.key) or rules.default
        assert margin is not None
        made.append(check(cell, contest.name, difference, margin, allowed(margin, cell, contest, difference)))
    return made


def allowed(margin: Margin, cell: Cell, contest: Contest, difference: Difference) -> float:
    """The margin in the unit of the score. Raises `UsageError` where the baseline has too few seeds for it."""
    if margin.absolute is not None:
        return margin.absolute
    if margin.relative is not None:
        return margin.relative * abs(difference.base or 0.0)
    if len(contest.base) < FEWEST_SEEDS:
        raise UsageError(
            f"{cell.key}: a margin of seed noise needs a baseline of at least {FEWEST_SEEDS} seeds, "
            f"found {len(contest.base)}; name more with --baseline, or give an absolute margin"
        )
    values = [_score(row, cell.key) for row in contest.base]
    return (margin.seed_noise or 0.0) * seed_noise(values)


def _score(row: Row, key: str) -> float:
    value = row.result.score(key).value
    if value is None:
        raise NotComparable(f"{key} of {row.source} is undefined")
    return value


def check(cell: Cell, contest: str, difference: Difference, margin: Margin, limit: float) -> Check:
    """`difference` against `limit`, both in the unit of the score."""
    low, high = float("nan"), float("nan")
    if difference.interval is not None:
        ends = (difference.interval.low, difference.interval.high)
        low, high = ends if cell.metric.direction == "lower" else (-ends[1], -ends[0])
    outcome: Outcome = "pass" if high <= limit else "breach" if low > limit else "inconclusive"
    needed = _needed(difference, cell, low, high, limit) if outcome == "inconclusive" else None
    return Check(cell, contest, difference, margin, limit, low, high, outcome, needed)


def _needed(difference: Difference, cell: Cell, low: float, high: float, limit: float) -> int | None:
    """Samples at which the interval, shrinking as 1 / sqrt(n) about the same change, lies on one side of the margin."""
    if difference.value is None or not math.isfinite(low):
        return None
    worse = difference.value if cell.metric.direction == "lower" else -difference.value
    room = limit - worse
    half = high - worse if room > 0 else worse - low
    return None if room == 0 else math.ceil(difference.n * (half / room) ** 2)


def read_baseline(sources: Sequence[str]) -> tuple[Row, ...]:
    """Rows of the baseline. Raises `NotComparable` where there is none that can be read: no baseline is no pass."""
    try:
        return tuple(row for source in sources for row in read_rows(source))
    except DataError as cause:
        raise NotComparable(f"no baseline to compare with: {cause}") from cause


def assert_not_worse(candidate: str | Path, baseline: str | Path, rules: str | Path | Rules) -> None:
    """Fail a test where `candidate` may not replace `baseline`; for the tests of a repository of yours.

        from facebench.verdicts.gate import assert_not_worse

        def test_the_new_encoder_is_not_worse():
            assert_not_worse("runs/new", "baseline.pinned.zip", "gate.toml")

    Args:
        candidate: a record, a folder of runs, or a pinned archive.
        baseline: the same.
        rules: the TOML file of the margins, or the rules themselves.

    Raises:
        AssertionError: a margin is breached, or the samples do not decide; it lists the scores.
        NotComparable: what was measured cannot be compared.
        UsageError: the rules make no sense.
    """
    from facebench.registry import Registry

    known = rules if isinstance(rules, Rules) else read_rules(Path(rules))
    report = judge(read_baseline([str(baseline)]), read_rows(str(candidate)), known, Registry())
    if not report.passed:
        raise AssertionError(f"{candidate} may not replace {baseline}: {'; '.join(map(said, report.stopping))}")


def breach(report: GateReport) -> GateBreached:
    """The error that a gate which does not open ends with."""
    return GateBreached(
        f"{report.candidate} may not replace {report.baseline}: {'; '.join(map(said, report.stopping))}"
    )


def said(check: Check) -> str:
    """One check in a line: `wflw/test/all/nme-ioc: worse by 0.21 [0.11, 0.31] %, 0.1 is allowed: breach`."""
    unit = check.cell.metric.unit
    if check.difference.value is None:
        return f"{check.cell.key}: undefined on one side: {check.outcome}"
    worse = check.difference.value if check.cell.metric.direction == "lower" else -check.difference.value
    more = "" if check.needed is None else f" ({check.needed:,} samples would decide)"
    ends = f"change for the worse {worse:.4g} in [{check.low:.4g}, {check.high:.4g}] {unit}"
    return f"{check.cell.key}: {ends}, {check.allowed:.4g} is allowed: {check.outcome}{more}"
