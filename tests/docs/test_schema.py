from __future__ import annotations

import json
from pathlib import Path

from facebench.record import json_schema

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "record.schema.json"


def test_the_published_schema_is_the_one_that_records_are_checked_by():
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == json_schema()
