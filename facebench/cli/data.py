"""`facebench data`: what is on disk, whether it is whole, and the ids that predictions are keyed by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facebench.cli import synth
from facebench.cli.options import DataRoot, Json, Plugins, data_root, registry
from facebench.errors import DataError, UsageError
from facebench.slices import MARK

if TYPE_CHECKING:
    from facebench.data_check import Report, Row
    from facebench.types import Dataset

app = typer.Typer(help="List, check and find data sets.", no_args_is_help=True)

app.command("synth")(synth.synth)

DatasetName = Annotated[str, typer.Argument(metavar="NAME", help="Data set: wflw, 300w, lapa, now, ...")]


@app.command("ids")
def ids(
    name: DatasetName,
    split: Annotated[str | None, typer.Option(help="Split or subset; the one that is scored if not given.")] = None,
    data: DataRoot = None,
    json: Json = False,
    plugin: Plugins = None,
) -> None:
    """List the ids of a split, each with its picture and box."""
    dataset: Dataset = registry(plugin).get("datasets", name)
    root = data_root(data)
    rows = [
        {"id": s.id, "image": str(s.image), "box": None if s.box is None else [float(v) for v in s.box]}
        for s in dataset.samples(root, split or dataset.default_split)
    ]
    if json:
        from json import dumps

        print(dumps(rows, indent=1))
        return
    for row in rows:
        box = "-" if row["box"] is None else ",".join(f"{v:g}" for v in row["box"])
        print(f"{row['id']}\t{row['image']}\t{box}")


@app.command("verify")
def verify(
    name: DatasetName,
    data: DataRoot = None,
    images: Annotated[bool, typer.Option(help="Open every picture and label map as well; slow.")] = False,
    json: Json = False,
    plugin: Plugins = None,
) -> None:
    """Count a set against its official sizes; say what is missing, damaged or doubled (then exit 3)."""
    from facebench import data_check

    dataset: Dataset = registry(plugin).get("datasets", name)
    root = data_root(data)
    report = data_check.verify(dataset, root, images=images)
    _print_report(report, json=json)
    if not report.ok:
        drawn = " (it was drawn by `data synth`)" if (dataset.locate(root) / MARK).is_file() else ""
        first = report.faults[0]
        raise DataError(f"{name} is not as published{drawn}: {len(report.faults)} faults; the first, {_fault(first)}")


def _fault(row: Row) -> str:
    counts = f"{row.found} found, {row.expected} expected" if row.expected is not None else f"{row.found} found"
    return f"{row.split}: {row.what} {row.status} ({counts}){f'; {row.detail}' if row.detail else ''}"


def _print_report(report: Report, *, json: bool) -> None:
    from dataclasses import asdict

    rows: list[dict[str, Any]] = [asdict(row) for row in report.rows]
    if json:
        from json import dumps

        print(dumps({"ok": report.ok, "rows": rows}, indent=2))
        return
    from facebench.cli.tables import print_rows

    print_rows(rows)


@app.command("doctor")
def doctor(
    folder: Annotated[Path, typer.Argument(help="Folder that may hold data sets; with --for, of predictions.")],
    benchmark: Annotated[str | None, typer.Option("--for", help="Examine predictions for this benchmark: now.")] = None,
    data: DataRoot = None,
    split: Annotated[str | None, typer.Option(help="With --for: split or subset.")] = None,
    unit: Annotated[str | None, typer.Option(help="With --for: the unit that predictions are in: mm, cm or m.")] = None,
    json: Json = False,
) -> None:
    """Recognise the layouts below a folder, or examine NoW predictions; say what to do next."""
    from dataclasses import asdict

    from facebench import doctor as doctor_module

    if benchmark is not None:
        _examine(folder, benchmark, data=data, split=split, unit=unit, json=json)
        return
    findings = doctor_module.diagnose(folder)
    if json:
        from json import dumps

        print(dumps([asdict(finding) for finding in findings], indent=2, default=str))
        return
    for finding in findings:
        unknown = "archive of no known set" if finding.state == "archive" else "no data set recognised"
        what = unknown if finding.dataset is None else f"{finding.dataset}, {finding.state}"
        print(f"{finding.path}: {what}")
        for label, lines in (("found", finding.found), ("missing", finding.missing), ("next", finding.todo)):
            for i, line in enumerate(lines):
                print(f"  {label if i == 0 else '':<8}{line}")


def _examine(
    folder: Path, benchmark: str, *, data: Path | None, split: str | None, unit: str | None, json: bool
) -> None:
    """Print every kind of trouble in a folder of predictions; a fault ends with exit code 3."""
    from dataclasses import asdict

    from facebench.metrics.scan import MILLIMETRES
    from facebench.now_doctor import examine
    from facebench.ordered import cores

    dataset: Dataset = registry(None).get("datasets", benchmark)
    if dataset.task != "reconstruction":
        raise UsageError(f"the doctor examines predictions of meshes alone, and {benchmark} is about {dataset.task}")
    if unit is not None and unit not in MILLIMETRES:
        raise UsageError(f"unit {unit!r} is not known; choose one of {', '.join(MILLIMETRES)}")
    samples = dataset.samples(data_root(data), split or dataset.default_split)
    troubles = examine(folder, samples, unit=unit, workers=cores())
    if json:
        from json import dumps

        print(dumps([asdict(trouble) for trouble in troubles], indent=2))
    for trouble in () if json else troubles:
        more = (
            f", {', '.join(trouble.images[1:3])}{', ...' if len(trouble.images) > 3 else ''}"
            if trouble.images[1:]
            else ""
        )
        print(f"{trouble.severity}: {trouble.what}: {len(trouble.images)} of {len(samples)} images")
        print(f"  first   {trouble.images[0]}: {trouble.detail}")
        if more:
            print(f"  also    {more[2:]}")
        print(f"  do      {trouble.todo}")
    if not troubles and not json:
        print(f"nothing wrong found in {len(samples)} predictions")
    faults = [trouble for trouble in troubles if trouble.severity == "fault"]
    if faults:
        first = faults[0]
        raise DataError(f"{len(faults)} kinds of fault; the first, {first.what}: {len(first.images)} images")
