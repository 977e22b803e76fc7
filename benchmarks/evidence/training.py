"""One training of a study, and what it cost: `python -m benchmarks.evidence.training FOLDER WORD...`.

The processor seconds are those of the process that trains; those of the loader, which a real run hides, do not count.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch

from pretrain.data.source import ShardSource
from pretrain.settings import read_config
from pretrain.training.export import export
from pretrain.training.train import train

COST = "cost.json"
ENCODER = "encoder.safetensors"


def main() -> None:
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    torch.set_num_threads(1)
    config = read_config(str(Path(__file__).with_name("model.yaml")), [*words, f"run.output={folder}"])
    source = ShardSource(config, "cpu")
    fresh = not (folder / "checkpoints").is_dir()
    begun = time.process_time()
    kept = train(config, source)
    seconds = time.process_time() - begun
    newest = max(kept.root.glob("checkpoints/*.pt"))
    export(newest, folder / ENCODER, precision="fp16")
    cost = {"cpu_seconds": round(seconds, 1) if fresh else None, "config": config.digest, "data": source.digest}
    (folder / COST).write_text(json.dumps(cost))


if __name__ == "__main__":
    main()
