"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# A first call may compile a kernel, and a busy machine is not a failure: no property is judged by its time.
settings.register_profile("facebench", deadline=None)
settings.load_profile("facebench")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real annotations, pictures and scans that may not be shipped; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real data not present: {SHARED_DATA} does not exist")
    return SHARED_DATA
