"""Sites for the tests: records on disk, some of them hostile, and the pages made of them."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from facebench.record import Counts, PredictionsRecord, Result, SamplesRecord, write_results
from facebench.sample_table import SampleTable, write_table
from leaderboard.load import load
from leaderboard.published import PublishedRow
from leaderboard.site.build import build
from tests.leaderboard.records import backbone, floor, incomplete, record, score

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "../../etc/passwd",
    "javascript:alert(1)",
    "\x1b[31mred\u202etxt",
    "</style><!--\u2028]]>",
)
"""Names that try a script, an attribute, a template, a path, an address, a terminal, the end of a block."""

FAR, NEAR, BAND = 6.0, 4.05, 0.1


def landmarks(name: str, value: float, **changes) -> Result:
    """A backbone on WFLW with subsets, a failure rate, and intervals of ±`BAND`."""
    around = (value - BAND, value + BAND)
    scores = [score(value=value, interval=around)]
    for subset, factor in (("pose", 1.8), ("blur", 1.1), ("yaw=frontal", 0.9), ("yaw=profile", 1.5)):
        part = value * factor
        scores.append(score(f"wflw/test/{subset}/nme-ioc", part, headline=False, n=300, interval=(part - 1, part + 1)))
    scores.append(score("wflw/test/all/fr10-ioc", value, headline=False, interval=None))
    weights = changes.pop("weights", "pretrained:augreg")
    return record(name, *scores, backbone=backbone(name, weights, sha256=changes.pop("sha256", "0" * 16)), **changes)


def parsing(name: str, value: float) -> Result:
    """The same backbone on LaPa, where higher is better."""
    about = {"direction": "higher", "interval": (value - BAND, value + BAND), "n": 2000}
    scores = [score("lapa/test/mean-fg10/f1", value, **about)]
    scores.append(score("lapa/test/skin/f1", value + 1, headline=False, **(about | {"interval": None})))
    counts = Counts(expected=2000, scored=2000, failed=0)
    made = record(name, *scores, backbone=backbone(name, sha256="0" * 16), task="parsing", counts=counts)
    return made.model_copy(update={"evaluator": "parsing"})


def results() -> list[Result]:
    """Two tables of WFLW that may not be compared, one of LaPa; a tie, a floor, predictions, every hostile name."""
    elsewhere = PredictionsRecord(name="made.npz", sha256="fedcba9876543210")
    return [
        landmarks("vit_base", 4.0),
        landmarks("resnet50", NEAR),
        landmarks("convnext_tiny", FAR, weights="random:0", warnings=("features were streamed",)),
        landmarks("swin_tiny", 3.0, fields={"box": "detector*1.25", "sel": "test"}),
        record("STAR", score(value=5.0), backbone=None, predictions=elsewhere),
        incomplete("half", 2.0),
        floor(20.0),
        parsing("vit_base", 93.0),
        parsing("resnet50", 91.0),
        *(landmarks(name, 7.0 + i) for i, name in enumerate(HOSTILE)),
    ]


def write_runs(folder: Path, made: list[Result]) -> Path:
    """One folder a record, as `facebench run` lays them; the first two have their per-sample errors beside them."""
    for i, result in enumerate(made):
        run = folder / f"run{i:02}"
        run.mkdir(parents=True)
        if i < 2:
            errors = np.linspace(0.0, 0.2 + i, 41)
            ids = tuple(str(n) for n in range(41))
            digest = write_table(run / "s.parquet", SampleTable(ids, ids, {}, {}, {"error-ioc": errors}))
            result = result.model_copy(update={"samples": SamplesRecord(path="s.parquet", sha256=digest, rows=41)})
        write_results(run / "result.json", [result])
    return folder


def make_site(folder: Path, made: list[Result], published: Sequence[PublishedRow] = ()) -> Path:
    """The site of `made`, and of `published` results."""
    build(load([write_runs(folder / "runs", made)]), folder / "site", published)
    return folder / "site"


class Page(HTMLParser):
    """What a page is made of: its elements with their attributes, and its text."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())
