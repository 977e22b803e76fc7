"""`facebench power`: how many images or seeds it takes to see a difference of a given size."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.cli.options import Json, Plugins, registry
from facebench.cli.progress import say
from facebench.errors import NotComparable, UsageError

if TYPE_CHECKING:
    from facebench.planning import Plan
    from facebench.stored import Stored


def power(
    benchmark: Annotated[str, typer.Argument(help="Data set, or data set and split: wflw, 300w/test, now/val, ...")],
    delta: Annotated[float, typer.Option(help="The difference that is to be seen, in the published unit.")],
    base: Annotated[
        Path | None, typer.Option(help="Record of a run, or folder that holds it; several seeds tell their noise.")
    ] = None,
    candidate: Annotated[
        Path | None, typer.Option(help="Record of a second run: how much the two share is then measured.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Score to plan for; the headline when not named.")] = None,
    json: Json = False,
    plugin: Plugins = None,
) -> None:
    """Say how many images or seeds a difference needs: 80 % power, 5 % level."""
    if base is None:
        what = "the per-sample statistics of a run on it, better of two"
        raise UsageError(
            f"planning for {benchmark} needs {what}: --base RESULT.json (or a folder), --candidate RESULT.json"
        )
    from facebench.planning import plan
    from facebench.stored import joined_on, stored_results

    runs = _one_subject(stored_results(base, benchmark), base)
    first = runs[0]
    others = [] if candidate is None else list(_one_subject(stored_results(candidate, _name(first)), candidate))[:1]
    for other in others:
        _check_comparable(first, other)
    chosen = key or next(s.key for s in first.result.scores if s.headline)
    joined, cell = joined_on((first, *others), registry(plugin), chosen)
    found = plan(
        (cell.metric, cell.mask),
        joined.columns[0],
        joined.columns[1] if others else None,
        joined.clusters,
        delta=delta,
        seed_noise=_seed_noise(runs, chosen),
    )
    _show(found, chosen, cell.metric.unit, json=json)


def _name(stored: Stored) -> str:
    return f"{stored.result.dataset.name}/{stored.result.dataset.split}"


def _one_subject(found: Sequence[Stored], path: Path) -> Sequence[Stored]:
    """The results of one subject under one signature, one a seed. Raises `UsageError` where there are several."""
    kinds = dict.fromkeys((s.result.subject, _name(s), s.result.signature) for s in found)
    if len(kinds) > 1:
        names = "; ".join(f"{subject} on {where}" for subject, where, _ in kinds)
        raise UsageError(f"{path} holds {len(kinds)} results that may not be taken together ({names}); name one record")
    return tuple({s.result.seeds: s for s in found}.values())


def _check_comparable(base: Stored, candidate: Stored) -> None:
    from facebench.record import parse_signature

    one, other = (parse_signature(s.result.signature) for s in (base, candidate))
    differ = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    if differ:
        said = ", ".join(f"{name} is {one.get(name, 'absent')} and {other.get(name, 'absent')}" for name in differ)
        raise NotComparable(f"{base.path} and {candidate.path} were not measured alike: {said}")


def _seed_noise(runs: Sequence[Stored], key: str) -> float | None:
    from facebench.paired import seed_noise

    values = [value for run in runs if (value := run.result.score(key).value) is not None]
    return seed_noise(values) if len(values) > 1 else None


def _show(found: Plan, key: str, unit: str, *, json: bool) -> None:
    if json:
        import json as writer
        from dataclasses import asdict

        print(writer.dumps({"key": key, "unit": unit, **asdict(found)}, indent=2, allow_nan=False))
        return
    from facebench.cli.tables import print_grid

    header = ["errors shared", "SE of the difference", f"images for {found.delta:g} {unit}", f"seen with {found.n:,}"]
    grid = [
        [
            "as in the two runs" if need.shared is None else f"{need.shared:.0%}",
            f"{need.error:.3g} {unit}",
            f"{need.images:,}",
            f"{need.detectable:.3g} {unit}",
        ]
        for need in found.needs
    ]
    print_grid(header, grid, title=f"{key}: a difference of {found.delta:g} {unit}, 80 % power at the 5 % level")
    if found.seeds is not None:
        noise = f"a seed moves the score by {found.seed_noise:.3g} {unit} (standard deviation)"
        sys.stdout.write(f"{noise}: {found.seeds} seeds on either side\n")
    if found.needs[0].shared is not None:
        say("note: one run does not say how much of its error another shares; --candidate RESULT.json measures it")
    for doubt in found.doubts:
        say(f"note: {doubt}")
