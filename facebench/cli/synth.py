"""`facebench data synth`: a made set in an official layout, or unlabelled made faces for pre-training."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from facebench.cli.progress import progress, say
from facebench.errors import UsageError, unknown_name
from facebench.synth.layouts import FACES, MODULES

_KNOWN = (*MODULES, FACES)


def synth(
    layout: Annotated[str, typer.Argument(help=f"What to write: {', '.join(_KNOWN)}.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Data root; the set is written below it.")],
    train: Annotated[int | None, typer.Option(help="Faces of the official training list.")] = None,
    test: Annotated[int | None, typer.Option(help="Faces of the official test list.")] = None,
    val: Annotated[int | None, typer.Option(help="Faces of the val split; a tenth of --train if not given.")] = None,
    n: Annotated[int | None, typer.Option("-n", help="faces alone: how many.")] = None,
    seed: Annotated[int, typer.Option(help="Of the made world; the same seed gives the same bytes.")] = 0,
    size: Annotated[int | None, typer.Option(help="Side of the pictures, pixels; the layout's if not given.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what lies there.")] = False,
    workers: Annotated[int | None, typer.Option(help="Threads; one each processor if not given.")] = None,
) -> None:
    """Write made faces in an official layout; an interrupted writing goes on from where it was."""
    counts = _counts(layout, {"--train": train, "--test": test, "--val": val, "-n": n})
    from facebench.synth import write

    with _bar(layout) as on_face:
        if layout == FACES:
            folder = write.write_faces(
                output, counts["-n"], seed=seed, size=size, overwrite=overwrite, workers=workers, on_face=on_face
            )
        else:
            folder = write.write_world(
                layout, output, train=counts["--train"], test=counts["--test"], val=val,
                seed=seed, size=size, overwrite=overwrite, workers=workers, on_face=on_face,
            )  # fmt: skip
    print(folder)
    if layout != FACES:
        say(f"next: facebench run -e {layout} --data {shlex.quote(str(output))}")


def _counts(layout: str, given: dict[str, int | None]) -> dict[str, int]:
    """The counts that `layout` needs. Raises `UsageError` where one is missing or makes no sense there."""
    if layout not in _KNOWN:
        raise unknown_name("layout", layout, _KNOWN)
    wanted = ("-n",) if layout == FACES else ("--train", "--test")
    known = wanted if layout == FACES else (*wanted, "--val")
    missing = [option for option in wanted if given[option] is None]
    foreign = [option for option, count in given.items() if count is not None and option not in known]
    if missing or foreign:
        what = f"needs {' and '.join(wanted)}" if missing else f"has no {' and '.join(foreign)}"
        raise UsageError(f"data synth {layout} {what}")
    return {option: count for option, count in given.items() if count is not None}


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Progress whose total is known with the first face."""
    with ExitStack() as stack:
        step: Callable[[], None] | None = None

        def on_face(done: int, total: int) -> None:
            nonlocal step
            del done
            step = step or stack.enter_context(progress(label, total))
            step()

        yield on_face
