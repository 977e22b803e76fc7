"""The site written down: one folder, addresses inside it relative, nothing fetched from elsewhere.

    index.html            leading rows of every benchmark, every model
    benchmark/NAME.html   the whole table: sorted, filtered, ties, quality against cost, progress over the years
    model/NAME.html       one model: scores against the field, parts, curves, what it cost
    compare.html          two models beside each other
    published.html        every published number, with its source and whether it may be ranked
    about.html            what tiers, badges, signatures and intervals mean
    static/, data/        style and scripts; the numbers that the compare view reads

A name from a record reaches a page as escaped text, a file name as a hash, a script as a JSON string.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from facebench.errors import DataError, UsageError
from leaderboard.atlas import atlas_of
from leaderboard.load import Loaded
from leaderboard.published import PublishedRow
from leaderboard.safe import printable
from leaderboard.site import literature, pages, plots, words
from leaderboard.site.entries import Benchmark, benchmarks

MARK = "static/site.css"
"""A folder that is not empty is written over only where it holds this file of an earlier site."""


def build(loaded: Iterable[Loaded], folder: Path, published: Sequence[PublishedRow] = ()) -> Path:
    """Write the site of the records, and of `published` results, to `folder`.

    Returns:
        The first page.

    Raises:
        DataError: there is no record, or a file cannot be written.
        UsageError: `folder` holds something that is not a site.
    """
    made = benchmarks(loaded, literature.groups(published))
    _prepare(folder)
    try:
        _write_all(made, published, folder)
    except OSError as cause:
        raise DataError(f"cannot write the site to {folder}: {cause.strerror or cause}") from cause
    return folder / "index.html"


def environment() -> Environment:
    """Templates that escape everything, and stop at a name that nobody defined."""
    env = Environment(
        loader=PackageLoader("leaderboard.site", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["shown"] = printable
    env.globals.update(tiers=words.TIERS, arrows={"lower": "↓", "higher": "↑"}, metric_meaning=words.metric)
    return env


def script(call: str, payload: Any) -> str:
    """A script that hands `payload` to the function `call`; no text in it can end a script or a line."""
    text = json.dumps(payload, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"{call}({text.replace('<', chr(92) + 'u003c')});\n"


def _prepare(folder: Path) -> None:
    """An empty folder to write to. Raises `UsageError`, `DataError`."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; a site is a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise UsageError(f"{folder} holds something that is not a site; name a new folder")
    try:
        for name in ("benchmark", "model", "data", "static"):
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
            (folder / name).mkdir(parents=True)
    except OSError as cause:
        raise DataError(f"cannot write the site to {folder}: {cause.strerror or cause}") from cause


def _write_all(made: Sequence[Benchmark], published: Sequence[PublishedRow], folder: Path) -> None:
    for file in resources.files("leaderboard.site").joinpath("static").iterdir():
        (folder / "static" / file.name).write_bytes(file.read_bytes())
    env = environment()
    everyone = pages.models(made)

    def write(name: str, template: str, **values: Any) -> None:
        text = env.get_template(template).render(root="../" * name.count("/"), **values)
        (folder / name).write_text(text, encoding="utf-8")

    write("index.html", "index.html", **pages.front_page(made))
    write("about.html", "about.html", signature=words.SIGNATURE, badges=words.BADGES)
    write("published.html", "published.html", **pages.published_page(published))
    write("compare.html", "compare.html", models=[model for model, _ in everyone])
    for benchmark in made:
        write(f"benchmark/{benchmark.slug}.html", "benchmark.html", **pages.benchmark_page(benchmark))
    curves = _curves(made)
    for model, where in everyone:
        atlases = [None if entry.loaded is None else atlas_of(entry.loaded) for _, _, entry in where]
        write(f"model/{model.slug}.html", "model.html", **pages.model_page(model, where, curves), atlases=atlases)
        data = script("facebenchModel", pages.compared(model, where))
        (folder / "data" / f"{model.slug}.js").write_text(data, encoding="ascii")


def _curves(made: Iterable[Benchmark]) -> dict[int, tuple[float, ...]]:
    """Curves of cumulative errors of every landmark entry that has its samples, by the identity of the entry."""
    found = {}
    for benchmark in made:
        first, _, normaliser = benchmark.columns[0].metric.partition("-")
        if first != "nme":
            continue
        for entry in benchmark.entries:
            shares = None if entry.loaded is None else plots.cumulative(entry.loaded, f"error-{normaliser}")
            if shares is not None:
                found[id(entry)] = shares
    return found
