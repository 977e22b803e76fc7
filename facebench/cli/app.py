"""The verbs, in the order that `facebench --help` shows them, and how each of them ends."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from facebench.cli import (
    agreement,
    atlas,
    audit,
    compare,
    data,
    gate,
    leaderboard,
    listing,
    paper,
    power,
    predict,
    pretrain,
    run,
    score,
    selftest,
    version,
)
from facebench.errors import EXIT_INTERRUPTED, FacebenchError


class Verbs(TyperGroup):
    """The verbs: an error of ours is one line on stderr, and every end has its documented exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb that the context names."""
        try:
            done = super().invoke(ctx)
            sys.stdout.flush()
        except FacebenchError as error:
            print(f"facebench: {error}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as stop:
            print("facebench: interrupted; what was done is kept, the same command goes on from it", file=sys.stderr)
            raise typer.Exit(EXIT_INTERRUPTED) from stop
        except BrokenPipeError as end:  # `facebench ... | head`: the reader has seen enough
            sys.stdout = sys.stderr
            raise typer.Exit(0) from end
        return done


app = typer.Typer(
    name="facebench",
    cls=Verbs,
    help="The benchmark for face backbones: landmarks, parsing and 3D under their published protocols.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: importing rich would cost half of the 0.3 s that --help may take
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("score")(score.score)
app.command("predict")(predict.predict)
app.command("compare")(compare.compare)
app.command("gate")(gate.gate)
app.command("pin")(gate.pin)
app.add_typer(data.app, name="data")
app.add_typer(pretrain.app, name="pretrain")
app.command("list")(listing.list_things)
app.command("describe")(listing.describe)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("atlas")(atlas.atlas)
app.command("audit")(audit.audit)
app.command("agreement")(agreement.agreement)
app.command("power")(power.power)
app.command("paper")(paper.paper)
app.command("selftest")(selftest.selftest)
app.command("version")(version.version)
