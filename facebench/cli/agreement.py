"""`facebench agreement`: do two protocols rank the same backbones alike?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facebench.cli.options import Json, Plugins, registry
from facebench.cli.progress import say

if TYPE_CHECKING:
    from leaderboard.agreement import Compared, Found


def agreement(
    runs: Annotated[list[Path], typer.Argument(help="Records, or folders that hold them, of two protocols or more.")],
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples.")] = 0,
    json: Json = False,
    plugin: Plugins = None,
) -> None:
    """Say how far protocols agree on the order of backbones: Kendall's tau-b with its interval."""
    from leaderboard.agreement import agreements
    from leaderboard.load import load

    found = agreements(load(runs), registry(plugin), seed=seed)
    if json:
        from json import dumps

        print(dumps(as_data(found), indent=2, allow_nan=False))
        return
    _show(found)


def as_data(found: Found) -> dict[str, Any]:
    """Everything, for programs."""
    return {"schema_version": 1, "agreements": [_pair(each) for each in found.compared], "left_out": found.left_out}


def _pair(each: Compared) -> dict[str, Any]:
    names = [
        {"subject": subject, "values": dict(zip(each.protocols, values, strict=True)), "ranks": list(ranks)}
        for subject, values, ranks in zip(
            each.subjects, zip(*each.values, strict=True), zip(*each.ranks, strict=True), strict=True
        )
    ]
    changed = [[each.subjects[i], each.subjects[j]] for i, j in each.found.changed]
    return {
        "board": each.board,
        "key": each.key,
        "protocols": list(each.protocols),
        "n": each.n,
        "tau_b": each.found.tau,
        "interval": each.found.interval,
        "backbones": names,
        "pairs": {"kept": each.found.kept, "changed": changed, "open": each.found.open},
        "depends_on_protocol": each.found.depends,
        "warning": each.warning,
        "doubts": list(each.doubts),
    }


def _show(found: Found) -> None:
    from facebench.cli.tables import print_grid

    header = ["benchmark", "protocols", "tau-b", "95 %", "backbones", "kept", "changed", "open", "n"]
    grid = [
        [
            each.key,
            " and ".join(each.protocols),
            "–" if each.found.tau is None else f"{each.found.tau:.2f}",
            "–" if each.found.interval is None else "[{:.2f}, {:.2f}]".format(*each.found.interval),
            *(str(x) for x in (len(each.subjects), each.found.kept, len(each.found.changed), each.found.open)),
            f"{each.n:,}",
        ]
        for each in found.compared
    ]
    print_grid(header, grid, title="Agreement of protocols on the order of backbones (Kendall's tau-b; pairs)")
    for each in found.compared:
        sys.stdout.write("\n")
        ranks = [[name, *map(str, both)] for name, *both in zip(each.subjects, *each.ranks, strict=True)]
        print_grid([f"{each.key}: rank under", *each.protocols], ranks)
    for each in found.compared:
        if each.warning:
            sys.stdout.write(f"\nwarning: {each.warning}.\n")
    for line in dict.fromkeys(found.left_out):
        say(f"note: left out: {line}")
    for each in found.compared:
        for doubt in each.doubts:
            say(f"note: {each.board}: {doubt}")
