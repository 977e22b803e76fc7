"""`facebench run`: backbones in, a ranked table out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from facebench.cli.options import DataRoot, Json, Plugins, registry
from facebench.cli.progress import say
from facebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facebench.record import Result
    from facebench.run import Plan


class Policy(StrEnum):
    """What happens to rows that an earlier run finished."""

    ONLY_MISSING = "only-missing"
    ALWAYS = "always"


class Protocol(StrEnum):
    """How much of the backbone may learn."""

    LINEAR = "linear"
    ATTENTIVE = "attentive"
    KNN = "knn"
    MAPPING = "mapping"
    FINETUNE = "finetune"


Protocols: TypeAlias = Annotated[
    list[Protocol] | None,
    typer.Option("--protocol", help="How much of the backbone may learn; linear when not named; may be repeated."),
]

Views: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="KIND@N", help="See the test pictures otherwise: blur@3, jitter@5, ...; may be repeated."),
]
Labels: TypeAlias = Annotated[
    str, typer.Option(metavar="PERCENTS", help="Shares of the training labels, nested: 1,5,10,100.")
]
Backbones: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "-b",
        "--backbone",
        help="timm:NAME, timm:NAME@FILE, timm:NAME@random:SEED, keys:FAMILY@FILE, pixels, module:..., paco-fr:FILE.",
    ),
]


def run(
    context: typer.Context,
    backbone: Backbones = None,
    benchmark: Annotated[
        list[str] | None, typer.Option("-e", "--benchmark", help="wflw, 300w, lapa, now, ...; may be repeated.")
    ] = None,
    checkpoints: Annotated[
        str | None,
        typer.Option(metavar="GLOB", help="Encoders of a training, 'RUN/encoders/*.safetensors': the score by step."),
    ] = None,
    protocol: Protocols = None,
    data: DataRoot = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of all runs.")] = Path("runs"),
    flame: Annotated[
        Path | None,
        typer.Option(help="NoW: heads are of this FLAME file (.npz, .pkl), not of a basis of the training heads."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Split to score; the benchmark's own when not named.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many samples of each split.")] = None,
    size: Annotated[int | None, typer.Option(min=1, help="Input side of every backbone, pixels.")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Batch size to begin with; shrinks when memory runs out.")
    ] = None,
    view: Views = None,
    labels: Labels = "100",
    subset: Annotated[int, typer.Option(min=0, help="Which nested subset of the labels.")] = 0,
    seeds: Annotated[str, typer.Option(help="Seeds of the heads, such as 0,1,2.")] = "0",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    policy: Annotated[Policy, typer.Option(help="Take finished rows, or make them again.")] = Policy.ONLY_MISSING,
    json: Json = False,
    plugin: Plugins = None,
) -> None:
    """Judge backbones; without arguments, small ones that ship on a face world that is drawn here."""
    from facebench.run import Request, plan
    from facebench.run import run as run_plan

    things = registry(plugin)
    named = (*(backbone or ()), *_checkpoints(checkpoints))
    if not benchmark and _is_default(context, "data"):
        data = None
    benchmarks, root, synthetic = _where(benchmark, data)
    request = Request(
        backbones=named or tuple(_default_backbones()),
        benchmarks=benchmarks,
        data=root,
        output=output,
        split=split,
        limit=limit,
        labels=_percents(labels),
        subset=subset,
        views=tuple(view or ()),
        protocols=tuple(each.value for each in protocol or [Protocol.LINEAR]),
        model=flame,
        seeds=_seeds(seeds),
        device=device,
        batch=batch,
        input_size=size or (None if named else _default_size()),
        policy=policy.value,
        budget="quick" if synthetic else "full",
    )
    planned = plan(request, things)
    _say_plan(planned)
    from facebench.cli.run_progress import watching

    with watching(planned) as watch:
        results = run_plan(planned, watch)
    _show(results, planned, json=json, synthetic=synthetic, courses=checkpoints is not None)


def _percents(text: str) -> tuple[float, ...]:
    """`1,10,100` as numbers. Raises `UsageError`."""
    try:
        found = tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        found = ()
    if not found or not all(0 < percent <= 100 for percent in found):
        raise UsageError(f"--labels {text!r}: wanted percents above 0 and up to 100, such as 1,10,100")
    return found


def _checkpoints(pattern: str | None) -> tuple[str, ...]:
    """A backbone for each file that `pattern` matches. Raises `UsageError` where none does."""
    from glob import glob

    if pattern is None:
        return ()
    files = sorted(glob(str(Path(pattern).expanduser()), recursive=True))  # noqa: PTH207 (a pattern may be absolute)
    if not files:
        raise UsageError(f"--checkpoints {pattern!r} matches no file")
    return tuple(f"paco-fr:{file}" for file in files)


def _is_default(context: typer.Context, option: str) -> bool:
    """Whether nothing on the command line names `option`: a root of FACEBENCH_DATA serves the verbs that need one."""
    source = context.get_parameter_source(option)
    return source is None or source.name != "COMMANDLINE"


def _where(benchmark: list[str] | None, data: Path | None) -> tuple[tuple[str, ...], Path, bool]:
    """Benchmarks, data root, and whether the root is the made world."""
    if data is not None:
        if not benchmark:
            raise UsageError(
                f"which benchmark of {data}? name it with -e; `facebench data doctor {data}` says what is there"
            )
        return tuple(benchmark), data, False
    from facebench.cli.run_progress import drawing
    from facebench.synth import embedded

    names = tuple(benchmark or embedded.BENCHMARKS)
    say("no --data: synthetic faces, drawn here; nothing below is a number on real faces")
    with drawing() as on_face:
        return names, embedded.embedded_world(names, on_face=on_face), True


def _default_backbones() -> Sequence[str]:
    from facebench.synth import embedded

    return embedded.BACKBONES


def _default_size() -> int:
    from facebench.synth import embedded

    return embedded.INPUT_SIZE


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--seeds {text!r}: whole numbers with commas between, such as 0,1,2") from None


def _say_plan(planned: Plan) -> None:
    """What will be done and about how long it takes, before the work."""
    from facebench.cli.progress import duration

    todo = [row for row in planned.rows if row.done is None]
    pictures = sum(row.pictures for row in todo)
    kept = len(planned.rows) - len(todo)
    say(
        f"plan: {len(todo)} rows to make{f', {kept} taken from {planned.request.output}' if kept else ''}; "
        f"{pictures:,} pictures through backbones on {planned.device}, about {duration(planned.seconds)}"
    )


def _show(results: Sequence[Result], planned: Plan, *, json: bool, synthetic: bool, courses: bool) -> None:
    if json:
        from json import dumps

        print(dumps([result.model_dump(mode="json") for result in results], indent=2))
    else:
        from facebench.cli.tables import print_courses, print_efficiency, print_leaderboard, print_views
        from leaderboard.sensitivity import is_plain

        print_leaderboard([result for result in results if not planned.request.views or is_plain(result)])
        if courses:
            print_courses(results)
        if len(planned.request.labels) > 1:
            print_efficiency(results)
        if planned.request.views:
            print_views(results)
    say(f"records: {planned.request.output}/")
    if synthetic:
        say("next:  facebench run -b timm:NAME@weights.safetensors    your own backbone, here on synthetic faces")
        say("       facebench run -b ... -e wflw --data DIR           on real data; `facebench data doctor DIR` helps")
        say("       facebench score wflw PREDICTIONS --data DIR       your own predictions")
    else:
        say(f"next:  facebench leaderboard {planned.request.output}")
