"""`facebench compare`: two results in; better, worse or not separable out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facebench.cli.options import DataRoot, Json, Plugins, check_writable, registry


def compare(
    base: Annotated[str, typer.Argument(help="A record, a folder of runs or a pinned baseline; RUNS#NAME picks one.")],
    candidate: Annotated[str, typer.Argument(help="The same, of what is judged.")],
    also_base: Annotated[list[str] | None, typer.Option(help="Further seeds of the base; may be repeated.")] = None,
    also_candidate: Annotated[
        list[str] | None, typer.Option(help="Further seeds of the candidate; may be repeated.")
    ] = None,
    md: Annotated[bool, typer.Option("--md", help="Print Markdown.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with pictures of the faces that changed most.")
    ] = None,
    data: DataRoot = None,
    seed: Annotated[int, typer.Option(min=0, help="Of resamples and permutations.")] = 0,
    json: Json = False,
    plugin: Plugins = None,
) -> None:
    """Say whether a candidate is better than a base, by how much, and what may be the reason."""
    from facebench.cli import comparison_text
    from facebench.errors import NotComparable
    from facebench.record import write_text
    from facebench.verdicts.compare import compare as compared
    from facebench.verdicts.rows import read_rows

    if html is not None:
        check_writable(html)
    mine = [row for source in (base, *(also_base or ())) for row in read_rows(source)]
    theirs = [row for source in (candidate, *(also_candidate or ())) for row in read_rows(source)]
    things = registry(plugin)
    found = compared(mine, theirs, things, seed=seed)
    if html is not None:
        from facebench.cli.comparison_page import page

        write_text(html, page(found, things, data))
    if json:
        from json import dumps

        print(dumps(comparison_text.as_data(found), indent=2))
    else:
        print(comparison_text.as_markdown(found) if md else comparison_text.plain(found), end="")
    if found.refused:
        raise NotComparable("; ".join(found.refused))
