"""The sizes that docs/disagreements.md prints, worked out again."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from facebench.metrics.auc import luvli_auc, san_auc, simpson_auc, spiga_auc, strict_failure_rate
from facebench.metrics.landmarks import success_area
from tests.golden.adapters import adapter_of
from tests.golden.case import read_cases
from tests.golden.conftest import DEFAULT

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "disagreements.md").read_text(encoding="utf-8")
CASES = {case.id: case for case in read_cases(DEFAULT)}
THRESHOLDS = (5, 7, 8, 10)


def row(name: str) -> list[float]:
    """Numbers of the row of the curve table that starts with `name`."""
    line = re.search(rf"^\| {re.escape(name)}[^|]*\|((?: [*\d.]+ \|)+)$", PAGE, re.MULTILINE)
    assert line is not None, name
    return [float(cell.strip(" *")) for cell in line[1].strip("|").split("|")]


def rules(name: str, errors: np.ndarray, t: int) -> tuple[float, float]:
    """Area (fraction) and failure rate (percent) of one rule."""
    strict = 100 * strict_failure_rate(errors, t / 100)
    if name == "facebench":
        return float(success_area(errors, t / 100).mean()), strict
    if name == "SPIGA":
        found = spiga_auc(100 * errors, t)
        return found.area / 100, found.failures
    if name == "LUVLi":
        return luvli_auc(errors, t) / 100, strict
    found = (simpson_auc if name == "Simpson family" else san_auc)(errors, t / 100)
    return found.area, 100 * found.failures


@pytest.mark.parametrize("name", ["facebench", "Simpson family", "SAN", "SPIGA", "LUVLi"])
def test_the_table_of_curves(name):
    errors = np.array(CASES["fr.hrnet.nmes_small"].inputs["nmes"])
    found = [rules(name, errors, t) for t in THRESHOLDS]
    areas, failures = zip(*found, strict=True)
    assert row(name) == [*(round(a, 5) for a in areas), *(round(f, 2) for f in failures)]


@pytest.mark.parametrize(
    ("case", "keys", "texts"),
    [
        ("nme.wflw.adnet.evaluate", ("printed", "correct_mean"), ("13.58 % for 9.06 %",)),
        ("nme.wflw.pipnet.anisotropic", ("value", "isotropic_value"), ("4.07 % for 4.53 %",)),
        ("nme.wflw.mmpose.masked", ("nme", "mean_of_per_image_unmasked"), ("9.72 % for 9.06 %",)),
        ("f1.lapa.farl", ("mean_of_per_image_fg_mean", "fg_mean"), ("69.4 % for 73.3 %",)),
    ],
)
def test_pairs_of_percents(case, keys, texts):
    found = adapter_of(CASES[case])(CASES[case])
    for text in texts:
        assert text in PAGE
        digits = len(text.split(" ")[0].split(".")[1])
        numbers = [float(n) for n in re.findall(r"\d+\.\d+", text)]
        assert numbers == [round(100 * float(found[key]), digits) for key in keys]


def test_every_case_that_the_page_names_exists():
    named = re.findall(r"`((?:nme|auc|fr|f1|miou|celeb|decode|crop|warp|flip|now|star)\.[\w.*]+)`", PAGE)
    assert len(named) > 15
    for name in named:
        assert any(case == name or (name.endswith("*") and case.startswith(name[:-1])) for case in CASES), name
