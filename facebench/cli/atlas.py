"""`facebench atlas`: where on the face a result is wrong, one SVG a record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def atlas(
    runs: Annotated[list[Path], typer.Argument(help="Records, or folders that hold them.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the pictures, NAME.svg.")],
) -> None:
    """Draw where results are wrong: errors of each landmark, confusions of each class."""
    from facebench.errors import DataError
    from facebench.record import write_text
    from leaderboard.atlas import atlas_of
    from leaderboard.load import load
    from leaderboard.site.build import environment
    from leaderboard.site.entries import slug

    draw = environment().get_template("atlas.svg").module.draw  # type: ignore[attr-defined]  # its macro
    drawn = 0
    for each in load(runs):
        found, about = atlas_of(each), each.result
        if found is not None:
            where = f"{about.dataset.name} {about.dataset.split}"
            path = output / f"{slug(f'{where} {about.subject}', about.signature)}.svg"
            write_text(path, f"{draw(found, f'{where}, {about.subject}')}\n")
            print(path)
            drawn += 1
    if not drawn:
        raise DataError(
            "nothing to draw: these records have no table of landmark errors or confusions beside them; "
            "`facebench run -o` and `facebench score -o` write it"
        )
