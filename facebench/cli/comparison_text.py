"""A comparison in words: plain text for a terminal, Markdown for a pull request, and as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from leaderboard.digits import DIGITS
from leaderboard.safe import markdown, printable

if TYPE_CHECKING:
    from facebench.paired import Difference
    from facebench.verdicts.causes import Cause
    from facebench.verdicts.compare import Comparison, Contrast, Report

HEADER = ("score", "base", "candidate", "difference", "95 % interval", "p (Holm)", "detectable", "verdict")
SHOWN_SLICES = 8
SHOWN_SAMPLES = 3
SHOWN_CAUSES = 12
NOTHING = "–"


def plain(comparison: Comparison) -> str:
    """The comparison as aligned text."""
    return "\n".join(_lines(comparison, _plain_table, printable, "")) + "\n"


def as_markdown(comparison: Comparison) -> str:
    """The comparison as Markdown."""
    return "\n".join(_lines(comparison, _markdown_table, markdown, "### ")) + "\n"


def _lines(comparison: Comparison, table: Any, safe: Any, heading: str) -> Iterator[str]:
    yield f"{heading}{safe(comparison.candidate)} against {safe(comparison.base)}"
    yield ""
    yield f"verdicts are about {comparison.about}"
    everywhere = _everywhere(comparison)
    for report in comparison.reports:
        yield ""
        yield f"{heading}{safe(report.contest.name)}: {len(report.joined.ids):,} samples"
        yield ""
        yield from table(HEADER, [contrast_cells(contrast) for contrast in report.headline])
        yield from _slices(report, table)
        yield from _samples(report, safe)
        yield from _causes([cause for cause in report.causes if cause not in everywhere], table, "differs here alone")
        for doubt in report.doubts:
            yield ""
            yield f"note: {safe(doubt)}"
    for text in (*comparison.refused, *comparison.lacking):
        yield ""
        yield f"not compared: {safe(text)}"
    yield from _causes(everywhere, table, "what the records say differently")
    if not any(report.causes for report in comparison.reports):
        yield ""
        yield "the records differ in nothing that they hold"


def _everywhere(comparison: Comparison) -> list[Cause]:
    """Causes that all reports name: they are told once."""
    first, *others = comparison.reports
    return [cause for cause in first.causes if all(cause in report.causes for report in others)]


def contrast_cells(contrast: Contrast) -> list[str]:
    """The texts of a contrast under `HEADER`."""
    difference, metric = contrast.difference, contrast.cell.metric
    arrow = "↓" if metric.direction == "lower" else "↑"
    part = contrast.cell.key.split("/")[2]
    digits = digits_of(difference, metric.unit)
    return [
        printable(f"{part} {metric.name} {arrow} {metric.unit}"),
        _number(difference.base, digits),
        _number(difference.candidate, digits),
        _number(difference.value, digits, sign=True),
        _ends(difference, digits),
        NOTHING if contrast.adjusted is None else f"{contrast.adjusted:.4f}",
        _number(difference.detectable, digits),
        contrast.verdict,
    ]


def digits_of(difference: Difference, unit: str) -> int:
    """Digits that show the interval's width with two figures, no fewer than `unit` is printed with, at most five."""
    least = DIGITS.get(unit, 2)
    if difference.interval is None:
        return least
    width = difference.interval.high - difference.interval.low
    return next((n for n in range(least, 5) if width == 0 or width >= 10.0 ** (1 - n)), 5)


def _ends(difference: Difference, digits: int) -> str:
    if difference.interval is None:
        return NOTHING
    low, high = (_number(end, digits, sign=True) for end in (difference.interval.low, difference.interval.high))
    return f"[{low}, {high}]"


def _number(value: float | None, digits: int, *, sign: bool = False) -> str:
    if value is None:
        return NOTHING
    return f"{value + 0.0:{'+' if sign else ''}.{digits}f}"  # + 0.0: no negative zero


def _slices(report: Report, table: Any) -> Iterator[str]:
    if not report.slices:
        return
    shown = report.slices[:SHOWN_SLICES]
    yield ""
    yield f"slices, the largest change first ({len(shown)} of {len(report.slices)})"
    yield ""
    header = ("slice", "n", *HEADER[1:6], "verdict")
    rows = []
    for contrast in shown:
        cells = contrast_cells(contrast)
        rows.append([cells[0], f"{contrast.difference.n:,}", *cells[1:6], cells[7]])
    yield from table(header, rows)


def _samples(report: Report, safe: Any) -> Iterator[str]:
    gained = [moved for moved in report.moved if moved.gain > 0][:SHOWN_SAMPLES]
    lost = [moved for moved in reversed(report.moved) if moved.gain < 0][:SHOWN_SAMPLES]
    for title, some in (("most improved", gained), ("most worsened", lost)):
        if some:
            said = ", ".join(f"{safe(moved.id)} ({moved.base:.2f} to {moved.candidate:.2f})" for moved in some)
            yield ""
            yield f"{title}: {said}"


def _causes(found: Sequence[Cause], table: Any, title: str) -> Iterator[str]:
    if not found:
        return
    yield ""
    yield title
    yield ""
    rows = [[f"{c.group}: {c.field}", _short(c.base), _short(c.candidate)] for c in found[:SHOWN_CAUSES]]
    yield from table(("what", "base", "candidate"), rows)
    if len(found) > SHOWN_CAUSES:
        yield ""
        yield f"and {len(found) - SHOWN_CAUSES} more; --json has all"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    lines = [list(header), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    words = {"verdict", "what", "base" if header[0] == "what" else "", "candidate" if header[0] == "what" else ""}
    for line in lines:
        cells = [
            cell.ljust(width) if i == 0 or header[i] in words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join(' :-- ' if i == 0 else ' --: ' for i in range(len(header)))}|"
    for row in rows:
        yield f"| {' | '.join(markdown(cell) for cell in row)} |"


def as_data(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON holds it."""
    return {
        "base": comparison.base,
        "candidate": comparison.candidate,
        "about": comparison.about,
        "benchmarks": [_report(report) for report in comparison.reports],
        "refused": list(comparison.refused),
        "lacking": list(comparison.lacking),
    }


def _report(report: Report) -> dict[str, Any]:
    dataset, split, protocol = report.contest.base[0].contest
    return {
        "dataset": dataset,
        "split": split,
        "protocol": protocol,
        "samples": len(report.joined.ids),
        "scores": [_contrast(contrast) for contrast in report.headline],
        "slices": [_contrast(contrast) for contrast in report.slices],
        "moved": [{"id": m.id, "base": m.base, "candidate": m.candidate, "gain": m.gain} for m in report.moved],
        "causes": [
            {"group": c.group, "field": c.field, "base": c.base, "candidate": c.candidate} for c in report.causes
        ],
        "doubts": list(report.doubts),
    }


def _contrast(contrast: Contrast) -> dict[str, Any]:
    difference = contrast.difference
    return {
        "key": contrast.cell.key,
        "unit": contrast.cell.metric.unit,
        "direction": contrast.cell.metric.direction,
        "n": difference.n,
        "clusters": difference.clusters,
        "base": difference.base,
        "candidate": difference.candidate,
        "difference": difference.value,
        "interval": None if difference.interval is None else [difference.interval.low, difference.interval.high],
        "p": difference.p,
        "p_holm": contrast.adjusted,
        "detectable": difference.detectable,
        "method": difference.method,
        "verdict": contrast.verdict,
    }
