"""Tables written down, each form by its name.

`table` is for people, `md` for a README, `csv` and `json` for programs, `latex` for a paper, `model-index` and `pwc`
for other sites. Numbers are rounded in what people read (`table`, `md`, `latex`, `pwc`), whole in the others.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from facebench.errors import unknown_name
from facebench.record import Score
from leaderboard.digits import MISSING, interval_text, value_text
from leaderboard.interchange import to_evaluation_tables, to_model_index
from leaderboard.latex import to_latex
from leaderboard.notes import footnotes
from leaderboard.safe import markdown, printable, spreadsheet
from leaderboard.table import Column, Row, Table
from leaderboard.terminal import column_title, difference, open_ranks, plain, samples, table_title

Cell: TypeAlias = str | int | float | None


def render(tables: Sequence[Table], form: str) -> str:
    """`tables` in one of `FORMATS`; ends in a newline. Raises `UsageError` where nobody knows the format."""
    if form not in FORMATS:
        raise unknown_name("format", form, FORMATS)
    return FORMATS[form](tables)


def to_markdown(tables: Sequence[Table]) -> str:
    """Markdown tables, each under its own caption."""
    return "\n".join(_markdown_table(table) for table in tables)


def to_csv(tables: Sequence[Table]) -> str:
    """One line for each row and score, with full-precision numbers; UTF-8, comma, `\\n`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for table in tables:
        for row in table.rows:
            for column in table.columns:
                writer.writerow([_csv_cell(cell) for cell in _csv_line(table, row, column)])
    return out.getvalue()


def to_json(tables: Sequence[Table]) -> str:
    """One object with all tables and full-precision numbers."""
    payload = {"schema_version": 1, "tables": [_json_table(table) for table in tables]}
    return json.dumps(payload, indent=2, allow_nan=False) + "\n"


FORMATS: Mapping[str, Callable[[Sequence[Table]], str]] = {
    "table": plain,
    "md": to_markdown,
    "csv": to_csv,
    "json": to_json,
    "latex": to_latex,
    "model-index": to_model_index,
    "pwc": to_evaluation_tables,
}
"""Every format, by its name on the command line."""


def _markdown_table(table: Table) -> str:
    notes = footnotes(table)
    ranks = open_ranks(table)
    titles = ["subject", "weights", *(column_title(c) for c in table.columns), "n", "protocol", "notes"]
    marks = [":--", ":--", *["--:"] * len(table.columns), "--:", ":--", ":--"]
    first = [("#", "--:"), *([("ranks", "--:")] if ranks else [])]
    lines = [_line([*(title for title, _ in first), *titles]), _line([*(mark for _, mark in first), *marks])]
    for i, (row, note) in enumerate(zip(table.rows, notes.rows, strict=True)):
        numbers = [_markdown_score(row.scores.get(c.key)) for c in table.columns]
        names = [markdown(text) for text in (row.subject, row.weights, row.protocol, note)]
        rank = [MISSING if row.rank is None else str(row.rank), *ranks[i : i + 1]]
        lines.append(_line([*rank, names[0], names[1], *numbers, samples(row), names[2], names[3]]))
    signature = printable(table.signature).replace("`", "'")
    remarks = [f"- {markdown(line)}" for line in notes.lines]
    differs = [markdown(difference(table))] if table.differs else []
    parts = [f"### {markdown(table_title(table))}"], [f"`{signature}`"], differs, lines, remarks
    return "\n".join("".join(f"{line}\n" for line in part) for part in parts if part)


def _markdown_score(score: Score | None) -> str:
    return " ".join(part for part in (value_text(score), interval_text(score)) if part)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


_CSV_COLUMNS = (
    "dataset", "split", "evaluator", "signature", "rank", "rank_low", "rank_high", "tie", "subject", "weights",
    "protocol", "key", "value", "low", "high", "unit", "direction", "n", "scored", "expected", "notes",
)  # fmt: skip


def _csv_line(table: Table, row: Row, column: Column) -> Sequence[Cell]:
    score = row.scores.get(column.key)
    low, high = (score.interval if score is not None else None) or (None, None)
    return (
        *(table.dataset, table.split, table.evaluator, table.signature),
        row.rank,
        *((None, None, None) if row.place is None else (row.place.low, row.place.high, row.place.group)),
        *(row.subject, row.weights, row.protocol, column.key),
        *(None if score is None else score.value, low, high, column.unit, column.direction),
        *(None if score is None else score.n, row.scored, row.expected, "; ".join((*row.badges, *row.remarks))),
    )


def _csv_cell(cell: Cell) -> Cell:
    """Names are made safe; numbers stay numbers, a minus sign and all."""
    return spreadsheet(cell) if isinstance(cell, str) else cell


def _json_table(table: Table) -> dict[str, Any]:
    return {
        "dataset": table.dataset,
        "split": table.split,
        "evaluator": table.evaluator,
        "signature": table.signature,
        "differs": list(table.differs),
        "keys": [column.key for column in table.columns],
        "rows": [_json_row(table, row) for row in table.rows],
    }


def _json_row(table: Table, row: Row) -> dict[str, Any]:
    shown = [row.scores[column.key] for column in table.columns if column.key in row.scores]
    return {
        "rank": row.rank,
        "ranks": None if row.place is None else [row.place.low, row.place.high],
        "tie": None if row.place is None else row.place.group,
        "subject": row.subject,
        "weights": row.weights,
        "protocol": row.protocol,
        "scored": row.scored,
        "expected": row.expected,
        "scores": [score.model_dump(mode="json") for score in shown],
        "badges": list(row.badges),
        "remarks": list(row.remarks),
    }
