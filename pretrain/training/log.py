"""The log of a run: one JSON object a line, `step` in each.

    {"step": 50, "epoch": 0.4, "loss": 1.02, "lr": 0.0006, "gradient": 0.8, "rec": 0.95, ...}
    {"step": 50, "alarm": "..."}

`step` counts steps that are done. Loss terms are means over the steps since the line before; `gradient` is the norm
before clipping. A training that goes on from a checkpoint first drops the lines after it, so that every step is told
once; what is not a finite number is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from facebench.errors import DataError
from facebench.record import write_text


class Log:
    """The file, open for appending."""

    def __init__(self, path: Path, step: int) -> None:
        """Open the log of a training that has done `step` steps. Raises `DataError`."""
        self.path = path
        lines = [line for line in read_log(path) if line["step"] <= step] if path.exists() else []
        write_text(path, "".join(map(_text, lines)))
        self._file: TextIO = path.open("a", encoding="utf-8")

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line, and hand it to the system at once. Raises `DataError`."""
        try:
            self._file.write(_text(line))
            self._file.flush()
        except OSError as cause:
            raise DataError(f"cannot write {self.path}: {cause.strerror or cause}") from cause

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """Lines of a log; a last line that was cut off is left out. Raises `DataError`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = []
    for number, text in enumerate(lines, start=1):
        try:
            line = json.loads(text)
            if not isinstance(line, dict) or not isinstance(line.get("step"), int):
                raise ValueError("no step")
        except ValueError as cause:
            if number == len(lines):
                break
            raise DataError(f"{path}, line {number} is no line of a training log: {cause}") from cause
        found.append(line)
    return found


def _text(line: Mapping[str, Any]) -> str:
    finite = {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in line.items()}
    return json.dumps(finite, allow_nan=False) + "\n"
