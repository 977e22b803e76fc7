"""What a gate found, in words, as Markdown, as data and as JUnit XML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from leaderboard.safe import markdown, printable

if TYPE_CHECKING:
    from facebench.verdicts.gate import Check, GateReport

HEADER = ("score", "baseline", "candidate", "worse by", "95 % interval", "allowed", "outcome")
SIGNS = {"pass": "✅", "breach": "❌", "inconclusive": "❔"}


def cells(check: Check) -> list[str]:
    """The texts of a check under `HEADER`; `worse by` is positive where the candidate is worse."""
    from facebench.cli.comparison_text import NOTHING, digits_of

    difference = check.difference
    digits = digits_of(difference, check.cell.metric.unit)
    if difference.value is None:
        return [check.cell.key, NOTHING, NOTHING, NOTHING, NOTHING, f"{check.allowed:.{digits}f}", check.outcome]
    worse = difference.value if check.cell.metric.direction == "lower" else -difference.value
    decides = "" if check.needed is None else f" ({check.needed:,} samples would decide)"
    return [
        f"{check.cell.key} {check.cell.metric.unit}",
        f"{difference.base:.{digits}f}",
        f"{difference.candidate:.{digits}f}",
        f"{worse:+.{digits}f}",
        f"[{check.low:+.{digits}f}, {check.high:+.{digits}f}]",
        f"{check.allowed:.{digits}f}",
        f"{check.outcome}{decides}",
    ]


def plain(report: GateReport) -> str:
    """The report as aligned text."""
    rows: list[Sequence[str]] = [HEADER, *([printable(c) for c in cells(check)] for check in report.checks)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    lines = []
    for row in rows:
        texts = [c.ljust(w) if i in (0, 6) else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(texts).rstrip())
    return "\n".join([*lines, "", _closing(report, printable)]) + "\n"


def as_markdown(report: GateReport) -> str:
    """The report as a summary for a pull request."""
    verdict = "passes" if report.passed else "does not pass"
    lines = [
        f"### {SIGNS['pass'] if report.passed else SIGNS['breach']} {markdown(report.candidate)} {verdict} the gate",
        "",
        f"| {' | '.join(HEADER)} |",
        f"|{'|'.join(' :-- ' if i in (0, 6) else ' --: ' for i in range(len(HEADER)))}|",
    ]
    for check in report.checks:
        texts = [markdown(cell) for cell in cells(check)]
        texts[6] = f"{SIGNS[check.outcome]} {texts[6]}"
        lines.append(f"| {' | '.join(texts)} |")
    return "\n".join([*lines, "", _closing(report, markdown)]) + "\n"


def _closing(report: GateReport, safe: Any) -> str:
    names = f"{safe(report.candidate)} may{'' if report.passed else ' not'} replace {safe(report.baseline)}"
    count = {outcome: sum(c.outcome == outcome for c in report.checks) for outcome in SIGNS}
    said = ", ".join(f"{n} {outcome}" for outcome, n in count.items() if n)
    return f"{names}: {said}"


def as_data(report: GateReport) -> dict[str, Any]:
    """The report as JSON holds it."""
    return {
        "baseline": report.baseline,
        "candidate": report.candidate,
        "passed": report.passed,
        "checks": [
            {
                "key": check.cell.key,
                "unit": check.cell.metric.unit,
                "n": check.difference.n,
                "baseline": check.difference.base,
                "candidate": check.difference.candidate,
                "worse_by": None if check.difference.value is None else _worse(check),
                "interval": None if check.low != check.low else [check.low, check.high],
                "margin": str(check.margin),
                "allowed": check.allowed,
                "outcome": check.outcome,
                "needed": check.needed,
            }
            for check in report.checks
        ],
    }


def _worse(check: Check) -> float:
    assert check.difference.value is not None
    return check.difference.value if check.cell.metric.direction == "lower" else -check.difference.value


def junit(report: GateReport) -> str:
    """The report as JUnit XML: a test case a score; what stops the candidate is a failure."""
    from facebench.verdicts.gate import said

    stopping = {id(check) for check in report.stopping}
    suite = ElementTree.Element(
        "testsuite", name="facebench gate", tests=str(len(report.checks)), failures=str(len(stopping)), errors="0"
    )
    for check in report.checks:
        case = ElementTree.SubElement(suite, "testcase", classname="facebench.gate", name=printable(check.cell.key))
        text = printable(said(check))
        if id(check) in stopping:
            ElementTree.SubElement(case, "failure", type=check.outcome, message=text).text = text
        else:
            ElementTree.SubElement(case, "system-out").text = text
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def junit_error(message: str) -> str:
    """JUnit XML of a gate that could not judge: one case, in error."""
    suite = ElementTree.Element("testsuite", name="facebench gate", tests="1", failures="0", errors="1")
    case = ElementTree.SubElement(suite, "testcase", classname="facebench.gate", name="comparable")
    ElementTree.SubElement(case, "error", type="not comparable", message=printable(message)).text = printable(message)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
