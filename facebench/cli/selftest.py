"""`facebench selftest`: is this installation's arithmetic right, and does a backbone keep its promises?"""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.cli.options import Json, Plugins, registry
from facebench.cli.progress import say
from facebench.errors import FacebenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facebench.selftest.check import Check


def selftest(
    backbone: Annotated[
        str | None, typer.Option("-b", "--backbone", help="Also check what this backbone promises; needs torch.")
    ] = None,
    json: Json = False,
    plugin: Plugins = None,
) -> None:
    """Score made faces whose scores are known; print the largest error of each metric (exit 1 above its tolerance)."""
    from facebench.selftest.run import run_checks

    start = time.monotonic()
    checks = run_checks(on_part=lambda name: say(f"{name}: drawing, reading and scoring made faces"))
    _print(checks, json=json)
    wrong = [check for check in checks if not check.ok]
    say(f"{len(checks)} metrics, {len(wrong)} wrong, {time.monotonic() - start:.0f} s")
    if backbone is not None:
        _check_backbone(backbone, plugin)
    if wrong:
        first = wrong[0]
        raise FacebenchError(
            f"{len(wrong)} of {len(checks)} metrics are wrong; {first.metric} is off by {first.error:.3g} "
            f"({first.worst}), {first.tolerance:.3g} is allowed"
        )


def _print(checks: Sequence[Check], *, json: bool) -> None:
    if json:
        from json import dumps

        rows = [
            asdict(check) | {"error": check.error if math.isfinite(check.error) else None, "ok": check.ok}
            for check in checks
        ]
        print(dumps({"ok": all(check.ok for check in checks), "checks": rows}, indent=2))
        return
    from facebench.cli.tables import print_grid

    header = ("metric", "cases", "largest error", "allowed", "")
    print_grid(
        header,
        [
            (c.metric, str(c.cases), f"{c.error:.1e}", f"{c.tolerance:.0e}", "ok" if c.ok else f"WRONG: {c.worst}")
            for c in checks
        ],
    )


def _check_backbone(spec: str, plugin: Plugins) -> None:
    from facebench.backbones.spec import open_backbone
    from facebench.testing import check_backbone

    try:
        check_backbone(open_backbone(spec, registry(plugin)))
    except AssertionError as cause:
        raise FacebenchError(f"backbone {spec} does not keep its promises: {cause}") from cause
    say(f"backbone {spec}: keeps every promise of facebench.testing.check_backbone")
