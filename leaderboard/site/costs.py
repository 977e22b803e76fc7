"""What the rows of a benchmark cost, beside how good they are."""

from __future__ import annotations

from collections.abc import Callable

from facebench.record import BackboneRecord
from leaderboard.site import plots
from leaderboard.site.entries import Benchmark, Group

COSTS: tuple[tuple[str, Callable[[BackboneRecord], float | None]], ...] = (
    ("GMACs a picture", lambda backbone: backbone.gmacs),
    ("million weights", lambda backbone: backbone.parameters / 1e6),
)
"""What a row may cost, the first that enough rows have."""


def paretos(benchmark: Benchmark) -> tuple[plots.Pareto, ...]:
    """Quality against cost of the ranked own rows of each table: multiply-adds where enough have them, or weights."""
    lower = benchmark.columns[0].direction == "lower"
    several = sum(group.own for group in benchmark.groups) > 1
    found = []
    for group in benchmark.groups:
        title = group.title if several else ""
        made = (plots.pareto(_costs(group, of), lower=lower, cost=cost, group=title) for cost, of in COSTS)
        first = next((each for each in made if each is not None), None)
        found += [] if first is None else [first]
    return tuple(found)


def _costs(group: Group, of: Callable[[BackboneRecord], float | None]) -> list[tuple[float, float, str]]:
    """(cost, value, name) of the ranked rows that this machine, or one like it, made."""
    rows = []
    for entry in group.ranked:
        backbone = None if entry.loaded is None else entry.loaded.result.backbone
        cost = None if backbone is None else of(backbone)
        if cost is not None and entry.score is not None and entry.score.value is not None:
            rows.append((cost, entry.score.value, entry.model.name))
    return rows
