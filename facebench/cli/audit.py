"""`facebench audit`: how much too good a score is whose checkpoint was chosen on the test set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.cli.options import Json, Plugins, registry
from facebench.errors import NotComparable, UsageError

if TYPE_CHECKING:
    from facebench.stored import Stored


def audit(
    runs: Annotated[Path, typer.Argument(help="Folder with a record of each candidate: `run --checkpoints` makes it.")],
    benchmark: Annotated[str, typer.Option("-e", "--benchmark", help="wflw, 300w/test, ...")],
    key: Annotated[str | None, typer.Option(help="Score to choose by; the headline when not named.")] = None,
    json: Json = False,
    plugin: Plugins = None,
) -> None:
    """Say how much too good the best of several checkpoints is where the test set chose it."""
    from facebench.audit import audit as audited
    from facebench.stored import joined_on, stored_results

    candidates = [each for each in stored_results(runs, benchmark) if each.result.backbone is not None]
    candidates = [each for each in candidates if each.result.backbone.spec != "floor"]  # type: ignore[union-attr]
    _check(candidates, runs)
    first = candidates[0].result
    chosen = key or next(score.key for score in first.scores if score.headline)
    joined, cell = joined_on(candidates, registry(plugin), chosen)
    found = audited(cell.metric, joined.columns, joined.clusters, mask=cell.mask)
    names = [each.result.subject for each in candidates]
    if json:
        import json as writer
        from dataclasses import asdict

        about = {"key": chosen, "unit": cell.metric.unit, "candidates": names, "best": names[found.chosen]}
        print(writer.dumps(about | asdict(found), indent=2, allow_nan=False))
        return
    unit, n = cell.metric.unit, len(joined.ids)
    low, high = found.interval
    sys.stdout.write(
        f"{chosen}: the best of {len(names)} on its {n:,} test samples is {names[found.chosen]}: "
        f"{found.value:.4g} {unit}\n"
        f"chosen so, it is too good by {found.optimism:.3g} {unit} [{low:.3g}, {high:.3g}]: chosen on one half of the "
        f"samples and scored on the other\n"
        f"it is the best of {found.stable:.0%} of the halves\n"
    )


def _check(candidates: list[Stored], runs: Path) -> None:
    if len(candidates) < 2:
        raise UsageError(f"{runs} holds {len(candidates)} candidates; choosing needs at least two")
    signatures = {each.result.signature for each in candidates}
    if len(signatures) > 1:
        raise NotComparable(f"{runs}: the candidates were not measured alike: {' and '.join(sorted(signatures)[:2])}")
