"""`pytest tests/golden --golden FILE`: the runner takes any file of the golden format."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.case import read_cases

DEFAULT = Path(__file__).with_name("protocol_golden.json")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="append", default=None, metavar="FILE", help="golden cases to run instead")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "golden_case" not in metafunc.fixturenames:
        return
    files = metafunc.config.getoption("--golden", default=None) or [DEFAULT]
    try:
        cases = [case for file in files for case in read_cases(Path(file))]
    except (OSError, ValueError, KeyError) as cause:
        raise pytest.UsageError(f"--golden: {cause!r}") from cause
    metafunc.parametrize("golden_case", cases, ids=[case.id for case in cases])
