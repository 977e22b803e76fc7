"""One result as people read it: subsets down, metrics across, intervals beside the values."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facebench.record import Result, Score

_ARROWS = {"lower": "↓", "higher": "↑"}


def print_card(result: Result) -> None:
    """Print the scores of one result: a rich table on a terminal, aligned plain text elsewhere."""
    from facebench.cli.tables import print_grid
    from leaderboard.digits import interval_text, value_text
    from leaderboard.safe import printable

    shown = _shown(result)
    subsets = list(dict.fromkeys(_part(s) for s in shown))
    metrics = list(dict.fromkeys(_metric(s) for s in shown))
    cells = {(_part(s), _metric(s)): s for s in shown}
    if len(cells) < len(subsets) * len(metrics):  # parsing: each class has its own numbers
        header = [f"{result.dataset.name}/{result.dataset.split}", "value", "95 % interval"]
        grid = [[f"{_part(s)} {_title(s)}", value_text(s), interval_text(s)] for s in shown]
    else:
        header = [
            f"{result.dataset.name}/{result.dataset.split}",
            "n",
            *(_title(cells[subsets[0], m]) for m in metrics),
        ]
        grid = [[part, f"{cells[part, metrics[0]].n:,}", *(_cell(cells[part, m]) for m in metrics)] for part in subsets]
    counts = result.counts
    state = "" if counts.complete else f"; INCOMPLETE: {counts.shortfall}, unranked"
    print_grid(
        header, grid, title=printable(f"{result.subject} on {result.dataset.name}/{result.dataset.split}{state}")
    )
    sys.stdout.write(f"{printable(result.signature)}\n")
    if rest := len(result.scores) - len(shown):
        sys.stdout.write(f"{rest} further numbers (other normalisers, thresholds, integrators): --json or the record\n")


def _cell(score: Score) -> str:
    from leaderboard.digits import interval_text, value_text

    return " ".join(filter(None, (value_text(score), interval_text(score))))


def _shown(result: Result) -> Sequence[Score]:
    """The headline's family: its normaliser, the first threshold of each curve, no classes or groups but its own."""
    first = next((s for s in result.scores if s.headline), result.scores[0])
    family = _metric(first).partition("-")[2]
    parts = {_part(s) for s in result.scores if _part(s) == _part(first) or not {"+", "="} & set(_part(s))}
    alike = [s for s in result.scores if _metric(s).partition("-")[2] == family and _part(s) in parts]
    kinds = {_metric(s).partition("-")[0].rstrip("0123456789"): _metric(s) for s in reversed(alike)}
    return [s for s in alike if _metric(s) in kinds.values()]


def _part(score: Score) -> str:
    return score.key.split("/")[2]


def _metric(score: Score) -> str:
    return score.key.rpartition("/")[2]


def _title(score: Score) -> str:
    return f"{_metric(score)} {_ARROWS[score.direction]} {score.unit}"
