"""A comparison as one HTML page without scripts: it opens from a file, and names in it are text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.cli.comparison_pictures import pictures_of
from facebench.cli.comparison_text import HEADER, contrast_cells

if TYPE_CHECKING:
    from facebench.registry import Registry
    from facebench.verdicts.compare import Comparison, Contrast, Report

BAR = 240
"""Width of the drawing of an interval, units of its viewBox."""


def page(comparison: Comparison, registry: Registry, data: Path | None) -> str:
    """The page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
    )
    reports = [_report(report, registry, data) for report in comparison.reports]
    text: str = templates.get_template("comparison.html").render(comparison=comparison, reports=reports, header=HEADER)
    return text


def _report(report: Report, registry: Registry, data: Path | None) -> dict[str, Any]:
    dataset = registry.get("datasets", report.contest.base[0].result.dataset.name)
    contrasts = (*report.headline, *report.slices)
    ends = [
        abs(end)
        for contrast in contrasts
        if contrast.difference.interval is not None
        for end in (contrast.difference.interval.low, contrast.difference.interval.high)
    ]
    reach = max(ends, default=1.0) or 1.0
    return {
        "name": report.contest.name,
        "samples": len(report.joined.ids),
        "headline": [(contrast_cells(c), c.verdict, _bar(c, reach)) for c in report.headline],
        "slices": [(contrast_cells(c), c.difference.n, c.verdict, _bar(c, reach)) for c in report.slices],
        "causes": report.causes,
        "doubts": report.doubts,
        "pictures": pictures_of(report, dataset, data or _embedded(report)),
    }


def _bar(contrast: Contrast, reach: float) -> dict[str, float] | None:
    """Where interval and difference lie in a drawing of `BAR` units with 0 in its middle."""
    difference = contrast.difference
    if difference.interval is None or difference.value is None:
        return None
    low, value, high = (
        BAR / 2 * (1 + v / reach) for v in (difference.interval.low, difference.value, difference.interval.high)
    )
    return {"low": low, "value": value, "width": max(high - low, 1.0)}


def _embedded(report: Report) -> Path | None:
    """The root of the embedded world, where the results are on it and it is still in the cache."""
    from facebench.journal import cache_root
    from facebench.record import parse_signature
    from facebench.synth.write import world_version

    if parse_signature(report.contest.base[0].result.signature).get("budget") != "quick":
        return None
    root = cache_root() / "world" / world_version()
    return root if root.is_dir() else None
