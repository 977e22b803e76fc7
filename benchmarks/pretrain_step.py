"""What a pre-training step costs beside a bare forward and backward pass of the same ViT, in one run.

    python benchmarks/pretrain_step.py                                    # the small model of the embedded default
    python benchmarks/pretrain_step.py --arch vit_base_patch16_224 --size 224 --decoder 512,4,16 --batch 8
    python benchmarks/pretrain_step.py --grow                             # how cost grows with K, size and batch

Peer: timm's `forward_features` on all tokens of the same pictures, a mean of squares as loss, backward, the same AdamW.
Each method is timed in turn with its peer and the medians are compared; first it is asserted that the tokens of an
intact picture are equal on both sides. Processor time of one thread is counted, so other work on the machine moves the
ratio little; on a GPU it is wall time after a synchronisation. The pictures lie in memory: loading is not part of it.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from pretrain.batch import Batch, Clock
from pretrain.config import PretrainConfig
from pretrain.method.encoder import embed, encode, normalised
from pretrain.method.masked_model import MaskedModel
from pretrain.method.masking import draw_mask
from pretrain.method.methods import build_method
from pretrain.method.regions import region_map

STEPS = 100


def main() -> None:
    options = parsed()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {options.device}, {options.arch} at {options.size} px, batch {options.batch}")
    print("method                      of bare  pictures/s  bare pictures/s  peak GiB")
    for name, changes in METHODS.items():
        row(name, options, changes)
    if options.grow:
        print("\ngrowth of the PaCo-FR step")
        for tokens in (256, 1024, 4096):
            row(f"K = {tokens}", options, {"codebook.size": tokens})
        for size in (options.size, 2 * options.size):
            row(f"{size} px", argparse.Namespace(**{**vars(options), "size": size}), {})
        for batch in (options.batch // 4, options.batch // 2, options.batch):
            row(f"batch {batch}", argparse.Namespace(**{**vars(options), "batch": batch}), {})


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="vit_tiny_patch16_224")
    parser.add_argument("--depth", type=int)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--decoder", default="96,2,4", help="width,depth,heads")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--grow", action="store_true")
    return parser.parse_args()


METHODS: dict[str, dict[str, object]] = {
    "paco-fr": {},
    "paco-fr, no teacher": {"teacher.enabled": False, "loss.spatial": 0},
    "paco-fr, incubation": {"incubation.epochs": 1e6},
    "simmim": {"method": "simmim", "teacher.enabled": False},
    "mae": {"method": "mae", "teacher.enabled": False},
}


def row(name: str, options: argparse.Namespace, changes: dict[str, object]) -> None:
    method, batch = built(options, changes)
    assert_equal(method, batch)
    mine, bare = step_of(method, options, batch), bare_step(method, options, batch)
    times = [(timed(mine, options.device), timed(bare, options.device)) for _ in range(options.rounds + 2)][2:]
    ours, theirs = (median(t) for t in zip(*times, strict=True))
    n = options.batch
    print(f"{name:26s}  {theirs / ours:7.2f}  {n / ours:10.1f}  {n / theirs:15.1f}  {peak(options.device):8.2f}")


def built(options: argparse.Namespace, changes: dict[str, object]) -> tuple[MaskedModel, Batch]:
    width, depth, heads = map(int, options.decoder.split(","))
    fields: dict[str, dict[str, object] | object] = {
        "encoder": {"arch": options.arch, "img_size": options.size, "depth": options.depth},
        "decoder": {"width": width, "depth": depth, "heads": heads},
        "codebook": {"size": options.tokens, "start": "normal"},
        "incubation": {"epochs": 0},
    }
    for key, value in changes.items():
        section, _, field = key.partition(".")
        if field:
            fields.setdefault(section, {})[field] = value  # type: ignore[index]
        else:
            fields[section] = value
    config = PretrainConfig.model_validate(fields)
    method = build_method(config).to(options.device)
    method.train()
    return method, pictures(method, config, options)


def pictures(method: MaskedModel, config: PretrainConfig, options: argparse.Namespace) -> Batch:
    rng = np.random.default_rng(0)
    regions = region_map(None, source="template", size=options.size, grid=method.grid)
    masks = np.stack([draw_mask(regions, config.mask, grid=method.grid, rng=rng) for _ in range(options.batch)])
    images = torch.rand(options.batch, 3, options.size, options.size, generator=torch.Generator().manual_seed(0))
    every = torch.from_numpy(np.tile(regions, (options.batch, 1)))
    names = tuple(map(str, range(options.batch)))
    return Batch(images, torch.from_numpy(masks), every, names, 0, options.batch).to(options.device)


def assert_equal(method: MaskedModel, batch: Batch) -> None:
    """The peer computes what the step computes: the tokens of an intact picture are the same."""
    with torch.no_grad():
        ours = encode(method.encoder, embed(method.encoder, batch.images[:2]))
        peers = method.encoder.forward_features(normalised(batch.images[:2]))
    torch.testing.assert_close(ours, peers)


def optimizer_of(parameters: list[dict[str, object]] | object) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=1e-4, fused=True)  # type: ignore[arg-type]


def step_of(method: MaskedModel, options: argparse.Namespace, batch: Batch) -> Callable[[], None]:
    groups = [{k: v for k, v in group.items() if k != "lr_scale"} for group in method.parameter_groups()]
    optimizer, clock = optimizer_of(groups), Clock(STEPS // 2, STEPS, 10.0, 0)

    def step() -> None:
        with torch.autocast(options.device, torch.bfloat16, enabled=options.bf16):
            outcome = method(batch, clock)
        outcome.loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        method.after_step([outcome], clock, optimizer)

    return step


def bare_step(method: MaskedModel, options: argparse.Namespace, batch: Batch) -> Callable[[], None]:
    vit = method.encoder
    optimizer = optimizer_of(vit.parameters())

    def step() -> None:
        with torch.autocast(options.device, torch.bfloat16, enabled=options.bf16):
            loss = vit.forward_features(normalised(batch.images)).float().pow(2).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def timed(step: Callable[[], None], device: str) -> float:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
        start = time.perf_counter()
        step()
        torch.cuda.synchronize()
        return time.perf_counter() - start
    start = time.process_time()
    step()
    return time.process_time() - start


def peak(device: str) -> float:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
