"""`facebench gate`: may a candidate replace its baseline? `facebench pin`: a baseline that a repository can hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facebench.cli.options import Json, Plugins, check_writable, registry


def gate(
    candidate: Annotated[list[str], typer.Argument(help="Record or folder of runs; several are seeds of one method.")],
    baseline: Annotated[
        list[str], typer.Option(help="Record, folder of runs or pinned baseline; repeated, seeds of one method.")
    ],
    rules: Annotated[Path, typer.Option(help="TOML file of the margins.")],
    allow_inconclusive: Annotated[
        bool, typer.Option(help="Let pass what the samples cannot decide; the rules may say it too.")
    ] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML here.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Append a Markdown summary here ($GITHUB_STEP_SUMMARY).")] = None,
    md: Annotated[bool, typer.Option("--md", help="Print Markdown.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples.")] = 0,
    json: Json = False,
    plugin: Plugins = None,
) -> None:
    """Exit 0 where no score fell behind by more than its margin, 4 where one may have, 5 where nobody can say."""
    from facebench.cli import gate_text
    from facebench.errors import FacebenchError
    from facebench.record import write_text
    from facebench.verdicts.gate import breach, judge, read_baseline
    from facebench.verdicts.rows import read_rows
    from facebench.verdicts.rules import read_rules

    for path in (junit, summary):
        if path is not None:
            check_writable(path)
    try:
        known = read_rules(rules)
        known = known.model_copy(update={"allow_inconclusive": known.allow_inconclusive or allow_inconclusive})
        before = read_baseline(baseline)
        rows = [row for source in candidate for row in read_rows(source)]
        report = judge(before, rows, known, registry(plugin), seed=seed)
    except FacebenchError as error:
        if junit is not None:
            write_text(junit, gate_text.junit_error(str(error)))
        if summary is not None:
            _append(summary, f"### ❌ the gate could not judge\n\n{error}\n")
        raise
    if junit is not None:
        write_text(junit, gate_text.junit(report))
    if summary is not None:
        _append(summary, gate_text.as_markdown(report))
    if json:
        from json import dumps

        print(dumps(gate_text.as_data(report), indent=2))
    else:
        print(gate_text.as_markdown(report) if md else gate_text.plain(report), end="")
    if not report.passed:
        raise breach(report)


def _append(path: Path, text: str) -> None:
    from facebench.errors import DataError

    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as cause:
        raise DataError(f"cannot write {path}: {cause.strerror or cause}") from cause


def pin(
    source: Annotated[list[str], typer.Argument(help="Record or folder of runs; several are seeds of one method.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Archive to write, NAME.pinned.zip.")],
) -> None:
    """Put a result and its per-sample statistics into one file, as a baseline for `facebench gate`."""
    from facebench.cli.progress import say
    from facebench.errors import UsageError
    from facebench.verdicts.rows import PINNED, read_rows
    from facebench.verdicts.rows import pin as pinned

    if not output.name.endswith(PINNED):
        raise UsageError(f"a pinned baseline is called NAME{PINNED}, not {output.name}")
    rows = [row for text in source for row in read_rows(text)]
    pinned(rows, output)
    say(f"{output}: {len(rows)} results of {rows[0].result.subject}")
