"""`facebench score`: predictions made anywhere in, official numbers out. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.cli.options import DataRoot, Json, Plugins, check_writable, data_root, registry
from facebench.cli.progress import progress, say
from facebench.errors import DataError, UsageError

if TYPE_CHECKING:
    from facebench.record import Result
    from facebench.types import Dataset, Evaluator


@dataclass(frozen=True)
class Album:
    """Pictures that were asked for: where, how many of the worst images, and which by id."""

    folder: Path
    worst: int
    named: tuple[str, ...]


def score(
    benchmark: Annotated[str, typer.Argument(help="Data set to score against: wflw, 300w, lapa, now, ...")],
    predictions: Annotated[Path, typer.Argument(help="Landmarks .npz or .json, folder of <id>.png, or NoW folder.")],
    data: DataRoot = None,
    split: Annotated[str | None, typer.Option(help="Split or subset; the benchmark's own when not named.")] = None,
    allow_missing: Annotated[
        bool, typer.Option(help="Score what there is; the row is incomplete and unranked.")
    ] = False,
    metrical: Annotated[bool, typer.Option(help="NoW: keep the prediction's scale; needs --unit.")] = False,
    unit: Annotated[str | None, typer.Option(help="NoW metrical: the prediction's unit: mm, cm or m.")] = None,
    mode: Annotated[
        str | None, typer.Option(help="NoW: reference (the official optimiser, the default) or converged.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads over images; all cores for NoW, else 1.")] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="NoW: draw meshes, errors and the curve into this folder.")
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="NoW: how many of the worst images --pictures draws.")] = 3,
    draw: Annotated[list[str] | None, typer.Option(help="NoW: id of an image to draw; may be repeated.")] = None,
    label_order: Annotated[str | None, typer.Option(help="Parsing: class order of the predicted ids.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the row; the file's own when not given.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the record here, as JSON.")] = None,
    json: Json = False,
    plugin: Plugins = None,
) -> None:
    """Score predictions made anywhere with the official metric."""
    if metrical != (unit is not None):
        raise UsageError("--metrical and --unit mm|cm|m go together: a metrical score needs the prediction's unit")
    if output is not None:
        check_writable(output)
    things = registry(plugin)
    dataset: Dataset = things.get("datasets", benchmark)
    evaluator: Evaluator = things.get("evaluators", dataset.task)
    is_mesh = dataset.task == "reconstruction"
    if not is_mesh and (pictures is not None or draw):
        raise UsageError(f"--pictures and --draw are about meshes, and {benchmark} is about {dataset.task}")
    if draw and pictures is None:
        raise UsageError("--draw needs --pictures DIR, the folder to draw into")
    options = {"unit": unit, "mode": mode, "label_order": label_order}
    settings = {key: value for key, value in options.items() if value is not None}
    result = _score(
        dataset,
        evaluator,
        predictions,
        root=data_root(data),
        split=split or dataset.default_split,
        settings=settings,
        allow_missing=allow_missing,
        subject=name or predictions.stem,
        output=output,
        workers=workers or (_cores() if is_mesh else 1),
        album=None if pictures is None else Album(pictures, worst, tuple(draw or ())),
    )
    _show(result, json=json, output=output)
    if result.counts.failed and not allow_missing:
        first, reason = next(iter(result.counts.reasons.items()))
        failed = f"{result.counts.failed} of {result.counts.expected} samples could not be scored"
        raise DataError(f"{failed}; the first, {first}: {reason}")


def _cores() -> int:
    from facebench.ordered import cores

    return cores()


def _score(
    dataset: Dataset,
    evaluator: Evaluator,
    path: Path,
    *,
    root: Path,
    split: str,
    settings: dict[str, str],
    allow_missing: bool,
    subject: str,
    output: Path | None,
    workers: int,
    album: Album | None,
) -> Result:
    import time
    from dataclasses import replace

    from facebench.journal import Journal
    from facebench.predictions import check_ids, open_predictions
    from facebench.record import PredictionsRecord
    from facebench.scoring import build_result, measure, save
    from facebench.types import revision

    start = time.perf_counter()
    samples = dataset.samples(root, split)
    found = open_predictions(dataset, path, settings=settings)
    whole, subset = dataset.select(split)
    others = [s.id for s in dataset.samples(root, whole)] if subset else []  # predictions for all serve for a part
    fit = check_ids(found, samples, allow_missing=allow_missing, also_known=others)
    digest = found.digest()
    job = Journal.of(
        revision(samples), digest, f"{evaluator.name}.v{evaluator.version}", repr(sorted(settings.items()))
    )
    with progress(f"{dataset.name}/{split}", len(samples)) as step:
        measured = measure(
            evaluator,
            dataset,
            samples,
            found,
            settings=settings,
            unusable=fit.unusable,
            journal=job,
            workers=workers,
            on_sample=lambda _: step(),
        )
    measured = replace(measured, unknown=len(fit.unknown))
    result = build_result(
        evaluator,
        dataset,
        split,
        samples,
        measured,
        subject=subject,
        protocol="none",
        signature_fields={"box": "unknown", "probe": "none", "sel": "unknown", **settings},
        predictions=PredictionsRecord(name=path.name, sha256=digest),
        settings=dict(settings),
        timing={"total": time.perf_counter() - start},
    )
    if output is not None:
        result = save(result, measured, output)
    job.drop()
    if album is not None:
        from facebench.pictures.now import draw_pictures

        drawn = draw_pictures(
            album.folder, samples, found, measured.table, settings=settings, worst=album.worst, named=album.named
        )
        say(f"pictures: {len(drawn)} in {album.folder}")
    return result


def _show(result: Result, *, json: bool, output: Path | None) -> None:
    if json:
        print(result.model_dump_json(indent=2))
    else:
        from facebench.cli.card import print_card

        print_card(result)
    for warning in result.warnings:
        say(f"note: {warning}")
    if output is not None:
        say(f"record: {output}")
