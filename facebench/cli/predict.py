"""`facebench predict`: predictions of a method that is not a backbone, in a file that `facebench score` reads."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from facebench.cli.options import DataRoot, Plugins, registry
from facebench.cli.progress import say
from facebench.errors import DataError, UsageError


class Method(StrEnum):
    """Methods with a library of their own."""

    FAN = "fan"


class Boxes(StrEnum):
    """Where the method is told that the face is."""

    GT = "gt"
    ANNOTATED = "annotated"
    DETECTED = "detected"


def predict(
    method: Annotated[Method, typer.Argument(help="fan: 2D-FAN of the library face-alignment.")],
    benchmark: Annotated[str, typer.Argument(help="A set with 68 points: 300w, cofw68, merl-rav.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .npz file to write.")],
    data: DataRoot = None,
    split: Annotated[str | None, typer.Option(help="Split; the benchmark's own when not named.")] = None,
    box: Annotated[Boxes, typer.Option(help="Face box: of the true points, annotated, or detected.")] = Boxes.GT,
    device: Annotated[str, typer.Option(help="torch's name.")] = "cpu",
    plugin: Plugins = None,
) -> None:
    """Predict with a method that is not a backbone; score the file with `facebench score`."""
    import numpy as np

    from facebench.fan import Fan
    from facebench.fan import predict as points_of
    from facebench.images import read_image
    from facebench.schemes import IBUG68

    del method  # there is one
    dataset = registry(plugin).get("datasets", benchmark)
    if dataset.scheme is not IBUG68:
        raise UsageError(f"fan predicts the 68 points of iBUG, and {benchmark} is not annotated with those")
    if data is None:
        raise UsageError(f"which data? `--data DIR` names the root that {benchmark} lies under")
    if output.suffix != ".npz":
        raise UsageError(f"{output} is no .npz file")
    fan = Fan(device)
    samples = dataset.samples(data, split or dataset.default_split)
    found, failures = {}, {}
    for sample in samples:
        try:
            found[sample.id] = points_of(fan, dataset, sample, read_image(sample.image), box.value)
        except DataError as cause:
            failures[sample.id] = str(cause)
    if not found:
        raise DataError(f"not one of {len(samples):,} faces was found; the first: {next(iter(failures.values()))}")
    output.parent.mkdir(parents=True, exist_ok=True)
    np.savez(output, ids=np.array(list(found)), points=np.stack(list(found.values())))
    sys.stdout.write(f"{output}\n")
    for reason in failures.values():
        say(f"not found: {reason}")
    allow = " --allow-missing" if failures else ""
    say(f"{len(found):,} of {len(samples):,} faces; next: facebench score {benchmark} {output} --data {data}{allow}")
