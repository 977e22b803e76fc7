"""Pre-training from where the run folder stands to the end.

    begin:  method ── start, or the newest whole checkpoint ──> learner
    each step:  batches ── learner ──> log, alarms ── now and then a checkpoint, an encoder, a picture
    end:  checkpoint, encoder, teacher, pictures

Order of pictures, masks and choices are functions of (seed, step), so a training that was killed and started again says
on the CPU, bit for bit, what an uninterrupted one says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack, closing
from itertools import islice
from typing import Any

import torch

from pretrain.config import PretrainConfig
from pretrain.data.source import Source
from pretrain.settings import keep_config
from pretrain.training import checkpoint as checkpoints
from pretrain.training.folder import RunFolder, held
from pretrain.training.interrupt import Stop, stoppable
from pretrain.training.learner import Learner
from pretrain.training.monitor import Monitor, Watch
from pretrain.training.outputs import Outputs
from pretrain.training.processes import Processes, waiting_for_first
from pretrain.training.training import Training

Build = Callable[[PretrainConfig], Any]


def train(
    config: PretrainConfig,
    source: Source,
    *,
    processes: Processes | None = None,
    watch: Watch | None = None,
    build: Build | None = None,
) -> RunFolder:
    """Train to the end; a run that lies in the folder already is gone on from.

    Args:
        config: every choice.
        source: the pictures.
        processes: who this process is among the ranks; None where it is alone.
        watch: who is told; only rank 0 tells.
        build: makes the method; None for that of `config.method`.

    Raises:
        UsageError: the folder belongs to another run.
        DataError: something cannot be written; the checkpoint before is then still there.
        FacebenchError: the loss is not finite, or a rank is gone.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after a checkpoint was written.
    """
    processes, watch = processes or Processes(), watch or Watch()
    folder = RunFolder(config.run.output)
    with ExitStack() as stack:
        if processes.first:
            stack.enter_context(held(folder))
            keep_config(config, folder.root, begun=folder.begun)
        stop = stack.enter_context(stoppable())
        stack.enter_context(torch.random.fork_rng())
        training = _begin(config, source, folder, processes, watch, build or _built, stop)
        if training.monitor is not None:
            stack.callback(training.monitor.close)
        training.run()
    return folder


def _built(config: PretrainConfig) -> Any:
    from pretrain.method.methods import build_method

    return build_method(config)


def _begin(
    config: PretrainConfig,
    source: Source,
    folder: RunFolder,
    processes: Processes,
    watch: Watch,
    build: Build,
    stop: Stop,
) -> Training:
    """A training as its newest checkpoint left it, or at its start."""
    method = build(config).to(processes.device)
    method.train()
    path = processes.from_first(checkpoints.newest(folder, note=watch.note) if processes.first else None)
    loaded = None
    if path is None:
        with waiting_for_first(processes):
            if processes.first:
                _start(method, source, config.optim.batch, processes.device)
    else:
        loaded = checkpoints.load(path)
        checkpoints.check_fits(loaded, config, source.digest, path)
        checkpoints.load_method(method, loaded, path)
    learner = Learner(method, config.optim, processes)
    step = 0 if loaded is None else loaded.step
    monitor = outputs = None
    if processes.first:
        monitor = Monitor(config, folder, watch, step=step)
        saved = None if loaded is None else step
        outputs = Outputs(config, folder, learner, monitor, source.digest, processes.device, saved)
    if loaded is not None:
        learner.optimizer.load_state_dict(dict(loaded.optimizer))
        checkpoints.set_generators(loaded.rng)
        if monitor is not None:
            monitor.load(loaded.metrics)
            watch.note(f"going on from {path}")
    return Training(config, source, folder, processes, learner, monitor, outputs, stop, step)


def _start(method: Any, source: Source, batch: int, device: str) -> None:
    """Show `method` one pass of the batches that one process alone would see, however many there are."""
    with closing(source.steps(0, rank=0, world=1, patch=method.side)) as steps:
        one_pass = islice(steps, math.ceil(source.pictures / batch))
        method.start(batch.to(device) for step in one_pass for batch in step)
