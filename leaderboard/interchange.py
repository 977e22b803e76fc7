"""Results in the forms that other sites read.

    model-index   metadata of a Hugging Face model card (hub-docs `modelcard.md`): one entry a model, one result a table
    pwc           `evaluation-tables` as Papers with Code published them: task, data set, rows with their metrics

Only ranked rows are written: a floor or an incomplete row would be read as a result. What these forms have no place
for, the signature above all, stands in the name of the data set's configuration, so that two ways of measuring are two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from leaderboard.digits import digits
from leaderboard.safe import printable
from leaderboard.table import Column, Row, Table

TASKS = {
    "landmarks": ("keypoint-detection", "Facial Landmark Detection"),
    "parsing": ("image-segmentation", "Face Parsing"),
    "reconstruction": ("image-to-3d", "3D Face Reconstruction"),
}
"""Evaluator to the hub's task type (huggingface.js `packages/tasks`) and the name of Papers with Code."""

_OTHER = ("other", "Face Analysis")


def to_model_index(tables: Sequence[Table]) -> str:
    """YAML for the head of a model card: the part between its `---` lines."""
    import yaml

    models: dict[str, list[dict[str, Any]]] = {}
    for table, row in _ranked(tables):
        models.setdefault(printable(row.subject), []).append(_result(table, row))
    index = [{"name": name, "results": results} for name, results in models.items()]
    return yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True, width=120)


def to_evaluation_tables(tables: Sequence[Table]) -> str:
    """JSON: a list of tasks, each with its data sets and their rows, best first."""
    tasks: dict[str, list[dict[str, Any]]] = {}
    for table in tables:
        rows = [_pwc_row(table, row) for row in table.rows if row.rank is not None]
        if rows:
            metrics = [_metric_name(column) for column in table.columns]
            where = {"dataset": printable(f"{table.dataset} {table.split}"), "description": printable(table.signature)}
            tasks.setdefault(_task(table)[1], []).append(where | {"sota": {"metrics": metrics, "rows": rows}})
    made = [{"task": task, "datasets": datasets, "subtasks": []} for task, datasets in tasks.items()]
    return json.dumps(made, indent=2, allow_nan=False) + "\n"


def _ranked(tables: Iterable[Table]) -> Iterable[tuple[Table, Row]]:
    return ((table, row) for table in tables for row in table.rows if row.rank is not None)


def _task(table: Table) -> tuple[str, str]:
    return TASKS.get(table.evaluator.partition(" ")[0], _OTHER)


def _metric_name(column: Column) -> str:
    return printable(f"{column.subset} {column.metric} ({column.unit})")


def _result(table: Table, row: Row) -> dict[str, Any]:
    task, name = _task(table)
    dataset = printable(f"{table.dataset} {table.split}")
    return {
        "task": {"type": task, "name": name},
        "dataset": {
            "type": printable(table.dataset),
            "name": dataset,
            "config": printable(table.signature),
            "split": printable(table.split),
        },
        "metrics": list(_metrics(table, row)),
    }


def _metrics(table: Table, row: Row) -> Iterable[dict[str, Any]]:
    for column in table.columns:
        score = row.scores.get(column.key)
        if score is not None and score.value is not None:
            made = {"type": printable(column.metric), "name": _metric_name(column), "value": score.value}
            low, high = score.interval or (None, None)
            yield made | ({} if low is None else {"args": {"interval": [low, high], "level": 0.95, "n": score.n}})


def _pwc_row(table: Table, row: Row) -> dict[str, Any]:
    scores = [(column, row.scores.get(column.key)) for column in table.columns]
    return {
        "model_name": printable(row.subject),
        "metrics": {
            _metric_name(column): f"{score.value:.{digits(score)}f}"
            for column, score in scores
            if score is not None and score.value is not None
        },
        "uses_additional_data": "extra data" in row.badges,
        "paper_title": "",
        "paper_url": "",
        "paper_date": None,
        "code_links": [],
    }
