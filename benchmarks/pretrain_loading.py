"""What loading costs a training: steps fed from shards beside the same steps on a batch in memory, in one run.

    python benchmarks/pretrain_loading.py SHARDS [--config small_paco_fr] [--workers 1] [section.field=value ...]

Both kinds of step are timed in turn, by the wall clock, with one thread for the arithmetic; the workers decode beside
it. A ratio of 1 says that loading is hidden. How fast the workers alone are stands beside it, and is what a faster
machine would be held back by; the peer there is webdataset, which decodes the same shards and neither resizes nor
masks.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import torch

from pretrain.batch import Batch, Clock
from pretrain.config import PretrainConfig
from pretrain.data.loader import Batches, open_stream
from pretrain.data.shards import Shards
from pretrain.method.methods import build_method
from pretrain.settings import read_config

ROUNDS = 12


def main() -> None:
    options = parsed()
    torch.set_num_threads(1)
    config = read_config(options.config, [*options.changes, f"data.shards={options.shards}", "run.output=unused",
                                          f"data.workers={options.workers}"])  # fmt: skip
    shards = Shards.open(options.shards)
    fed, held = steps(config, shards)
    size = config.optim.batch
    print(f"{config.encoder.arch} at {config.encoder.img_size} px, batch {size}, {options.workers} workers")
    print(f"step fed from shards   {fed:7.3f} s  {size / fed:8.1f} pictures/s")
    print(f"step on a held batch   {held:7.3f} s  {size / held:8.1f} pictures/s   ratio {held / fed:.3f}")
    ours, theirs = alone(config, shards), peer(options.shards, options.workers, size)
    print(f"workers alone          {ours:17.1f} pictures/s   webdataset {theirs:.1f}, ratio {ours / theirs:.2f}")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", type=Path)
    parser.add_argument("changes", nargs="*")
    parser.add_argument("--config", default="small_paco_fr")
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


def opened(config: PretrainConfig, shards: Shards) -> Batches:
    return open_stream(config, shards, rank=0, world=1, first_step=0, patch=16)


def steps(config: PretrainConfig, shards: Shards) -> tuple[float, float]:
    """Median seconds of a step that is fed, and of one on a batch that is held."""
    method = build_method(config)
    method.train()
    optimizer = torch.optim.AdamW(method.parameters(), lr=1e-4)
    fed, held = [], []
    with opened(config, shards) as stream:
        batches: Iterator[list[Batch]] = iter(stream)
        kept = next(batches)
        for number in range(ROUNDS):
            clock = Clock(number, ROUNDS, 10.0, 0)
            started = time.perf_counter()
            train(method, optimizer, next(batches), clock)
            between = time.perf_counter()
            train(method, optimizer, kept, clock)
            fed.append(between - started)
            held.append(time.perf_counter() - between)
    return median(fed[2:]), median(held[2:])


def train(method: torch.nn.Module, optimizer: torch.optim.Optimizer, batches: list[Batch], clock: Clock) -> None:
    for batch in batches:
        method(batch, clock).loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def alone(config: PretrainConfig, shards: Shards) -> float:
    """Pictures a second where nothing is trained."""
    with opened(config, shards) as stream:
        batches = iter(stream)
        next(batches)
        started = time.perf_counter()
        for _ in range(ROUNDS):
            next(batches)
        return ROUNDS * config.optim.batch / (time.perf_counter() - started)


def peer(folder: Path, workers: int, size: int) -> float:
    """Pictures a second of webdataset on the same tars, decoded as RGB arrays and no more."""
    import webdataset

    tars = sorted(map(str, folder.rglob("*.tar")))
    pipeline = webdataset.WebDataset(tars, shardshuffle=False, empty_check=False).decode("rgb8").to_tuple("jpg;png")
    loader = webdataset.WebLoader(pipeline, batch_size=None, num_workers=workers)
    pictures = iter(loader)
    for _ in range(size):
        next(pictures)
    started = time.perf_counter()
    seen = sum(1 for _ in itertools.islice(pictures, ROUNDS * size))
    return seen / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
