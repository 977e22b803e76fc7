"""The tables of docs/evidence.md from the records in `results/`: `python -m benchmarks.evidence.tables`."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from statistics import mean, stdev

from benchmarks.evidence.study import FOLDER, read_study

STUDIES = ("tuning", "headline", "longer", "ablation")
KEYS = {"wflw": "WFLW NME ↓ %", "lapa": "LaPa F1 ↑ %", "now": "NoW median ↓ mm"}
DIGITS = {"wflw": 2, "lapa": 2, "now": 3}

PROTOCOLS = ("linear.v1", "attentive.v1", "knn.v1", "finetune.v1")

Row = dict[str, str]


def main() -> None:
    for name in STUDIES:
        print(f"{name}\n\n" + "\n".join(lines(name)) + "\n")


def lines(name: str) -> Iterator[str]:
    """The table of one study; `protocols wflw` is that of one benchmark under every protocol."""
    if name.startswith("protocols "):
        yield from _protocol_lines(name.partition(" ")[2])
        return
    study = read_study(name)
    with (FOLDER / "results" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [(p, k) for p in study.protocols for k in KEYS if any(r["protocol"] == p and _set(r) == k for r in rows)]
    gains = _gains(rows) if name == "tuning" else {}
    header = ["arm", "seeds", "steps", "pictures", "seconds", *(f"{p}: {KEYS[k]}" for p, k in columns)]
    header += ["mean gain %"] if gains else []
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join([' :-- '] + [' --: '] * (len(header) - 1))}|"
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm]
        seconds = [float(row["cpu_seconds"]) for row in mine if row["cpu_seconds"]]
        cells = [arm, str(len({row["seed"] for row in mine})), f"{int(mine[0]['steps']):,}"]
        cells += [f"{int(mine[0]['pictures']):,}", f"{mean(seconds):.0f}" if seconds else "not measured"]
        cells += [_cell([float(r["value"]) for r in mine if (r["protocol"], _set(r)) == c], c[1]) for c in columns]
        cells += [f"{100 * gains[arm]:+.2f}"] if gains else []
        yield f"| {' | '.join(cells)} |"


def _protocol_lines(benchmark: str) -> Iterator[str]:
    """Backbones by the linear protocol, best first; the value under each protocol with its 95 % interval."""
    with (FOLDER / "results" / "protocols.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if _set(row) == benchmark]
    protocols = [p for p in PROTOCOLS if any(row["protocol"] == p for row in rows)]
    cells = {(row["subject"], row["protocol"]): row for row in rows}
    sign = -1 if benchmark == "lapa" else 1
    subjects = sorted({row["subject"] for row in rows}, key=lambda s: sign * float(cells[s, PROTOCOLS[0]]["value"]))
    digits = DIGITS[benchmark]
    yield f"| {KEYS[benchmark]} | {' | '.join(protocols)} |"
    yield f"|{'|'.join([' :-- '] + [' --: '] * len(protocols))}|"
    for subject in subjects:
        found = [cells.get((subject, protocol)) for protocol in protocols]
        texts = [
            "–"
            if row is None
            else f"{float(row['value']):.{digits}f} [{float(row['low']):.{digits}f}, {float(row['high']):.{digits}f}]"
            for row in found
        ]
        yield f"| {subject} | {' | '.join(texts)} |"


def _set(row: Row) -> str:
    return row["key"].partition("/")[0]


def _cell(values: Sequence[float], name: str) -> str:
    """Mean over seeds, and the standard deviation where there are several."""
    if not values:
        return "–"
    apart = f" ± {stdev(values):.{DIGITS[name]}f}" if len(values) > 1 else ""
    return f"{mean(values):.{DIGITS[name]}f}{apart}"


def _gains(rows: Sequence[Row]) -> dict[str, float]:
    """Mean log gain of each trial over the mean of its method's trials: what chooses among them."""
    found: dict[str, float] = {}
    for method in dict.fromkeys(row["arm"].rpartition(" ")[0] for row in rows):
        mine = [row for row in rows if row["arm"].rpartition(" ")[0] == method]
        for arm in dict.fromkeys(row["arm"] for row in mine):
            gains = []
            for key in dict.fromkeys(row["key"] for row in mine):
                logs = {row["arm"]: math.log(float(row["value"])) for row in mine if row["key"] == key}
                gain = logs[arm] - mean(logs.values())
                gains.append(gain if key.endswith("f1") else -gain)
            found[arm] = mean(gains)
    return found


if __name__ == "__main__":
    main()
