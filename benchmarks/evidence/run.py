"""Train the arms of a study and judge them.

    python -m benchmarks.evidence.run STUDY --shards DIR --world DIR --work DIR

Trainings and evaluations lie in the work folder under a hash of all their choices, so the same command goes on from
where it was stopped. The scores land in `benchmarks/evidence/results/STUDY.csv`, one row a score.

The data of all studies, made by these commands (worlds of other seeds share no face):

    facebench data synth faces -n 8000 --seed 1 -o FACES
    facebench pretrain prepare FACES/faces -o SHARDS --min-side 60
    for SEED in 7 (tuning) and 0 (the test, scored once, after everything was frozen):
        facebench data synth wflw --train 400 --test 300 --seed SEED -o WORLD
        facebench data synth lapa --train 320 --val 80 --test 300 --seed SEED -o WORLD
        facebench data synth now --train 400 --test 64 --seed SEED -o WORLD
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.evidence.study import FOLDER, Arm, Study, read_study
from benchmarks.evidence.training import COST, ENCODER

COLUMNS = ("arm", "seed", "protocol", "key", "value", "low", "high", "steps", "pictures", "cpu_seconds", "weights")


@dataclass(frozen=True)
class Places:
    """Where a study reads and writes."""

    shards: Path
    world: Path
    work: Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", help="tuning, headline, longer, ablation")
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side, one thread each")
    parser.add_argument("--only", default="", help="arms whose name holds this text")
    options = parser.parse_args()
    study = read_study(options.study)
    places = Places(options.shards, options.world, options.work)
    arms = [arm for arm in study.arms if options.only in arm.name]
    with ThreadPoolExecutor(options.jobs) as pool:
        made = [pool.submit(_judged, study, arm, seed, places) for seed in study.seeds for arm in arms]
        for done in made:
            _keep(study, done.result())
            print(_said(done.result()), flush=True)


def _judged(study: Study, arm: Arm, seed: int, places: Places) -> list[dict[str, Any]]:
    """Train one arm from one seed and score it; rows of the table."""
    folder = _trained(study.words(arm if arm.rate else study.arms[0], seed), places)
    spec = f"paco-fr:{folder / ENCODER}"
    if arm.rate is None:
        spec = f"{spec}@random:{seed}"
    seconds = json.loads((folder / COST).read_text())["cpu_seconds"] if arm.rate else 0.0
    steps = study.steps(arm)
    told = {"arm": arm.name, "seed": seed, "steps": steps, "pictures": steps * study.settings["optim.batch"]}
    rows = []
    for protocol in study.protocols:
        for record in _evaluated(spec, study, protocol, places):
            scores = [s for s in record["scores"] if s["headline"]]
            weights = record["backbone"]["sha256"][:12]
            rows += [
                {**told, **_score(s), "protocol": protocol, "cpu_seconds": seconds, "weights": weights} for s in scores
            ]
    return rows


def _score(score: dict[str, Any]) -> dict[str, Any]:
    low, high = score["interval"] or (None, None)
    return {"key": score["key"], "value": score["value"], "low": low, "high": high}


def _trained(words: list[str], places: Places) -> Path:
    """Folder of the training that `words` describe, trained now where it was not before."""
    digest = hashlib.sha256("\n".join([(FOLDER / "model.yaml").read_text(), *words]).encode()).hexdigest()[:12]
    folder = places.work / "trainings" / digest
    if not (folder / COST).exists():
        words = [*words, f"data.shards={places.shards}"]
        _call("-m", "benchmarks.evidence.training", str(folder), *words, log=places.work / f"{digest}.log")
    return folder


def _evaluated(spec: str, study: Study, protocol: str, places: Places) -> list[dict[str, Any]]:
    """Records of the backbone `spec` under `protocol`, the floors left out."""
    output = places.work / "runs" / places.world.name
    benchmarks = [word for name in study.benchmarks for word in ("-e", name)]
    options = ["--data", str(places.world), "-o", str(output), "--protocol", protocol, "--device", "cpu", "--json"]
    text = _call("-m", "facebench", "run", "-b", spec, *benchmarks, *options, log=None)
    return [record for record in json.loads(text) if record["backbone"] is not None]


def _call(*words: str, log: Path | None) -> str:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stderr)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stderr[-2000:]}")
    return done.stdout


def _keep(study: Study, rows: list[dict[str, Any]]) -> None:
    """Put `rows` into the study's table, in place of those of the same arm and seed."""
    path = FOLDER / "results" / f"{study.name}.csv"
    told = {(row["arm"], str(row["seed"])) for row in rows}
    old = list(csv.DictReader(path.open())) if path.exists() else []
    kept = [row for row in old if (row["arm"], row["seed"]) not in told]
    order = {arm.name: i for i, arm in enumerate(study.arms)}
    whole = sorted([*kept, *rows], key=lambda row: (order.get(row["arm"], len(order)), int(row["seed"])))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(whole)


def _said(rows: list[dict[str, Any]]) -> str:
    scores = "  ".join(f"{row['protocol']} {row['key'].split('/')[0]} {row['value']:.2f}" for row in rows)
    return f"{rows[0]['arm']:28} seed {rows[0]['seed']}  {rows[0]['cpu_seconds']} s  {scores}"


if __name__ == "__main__":
    main()
