"""Features, extracted once and kept by content.

A shard is the features of up to `SHARD` consecutive samples of a split. Its file is named by a hash of everything the
numbers depend on: the weights (their hash, never their name), the backbone's normalisation, layers and input size, the
crop, the bytes of every picture and its box, the code's own version, and the libraries that compute. What of a data
set's revision the features can see, pictures and boxes, is in there; another split, limit or protocol that asks for
the same pictures finds the same shards, and a checkpoint that changed under its name does not.

    - A shard is written under another name and moved into place, so a killed run leaves whole shards or none, the next
      one goes on from the last, and two runs that make the same shard both end with the right one.
    - A shard that is damaged on disk (its checksum does not hold) is made again, and the run says so.
    - The folder is bounded: the shards unused for longest go first. A split that is larger than the bound is streamed:
      its features are used and dropped, and the run says so.
    - Features are stored as float32. Half precision would be half the size, but a value that another batch size moves
      by one part in 10^7 may round to another half, a step of one part in 10^3; float32 keeps scores equal to 1e-5.
    - Batches never cross a shard, so a resumed run sees the batches of an uninterrupted one.

What is kept of the maps is their *tokens*: `tokens_of` says which.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.backbones.finite import check_features
from facebench.batches import Batches
from facebench.errors import DataError, FacebenchError
from facebench.feature_cache import FeatureCache
from facebench.framing import Framing
from facebench.images import read_image
from facebench.latency import Timed, device_name, latency_of, timed
from facebench.record import LatencyRecord
from facebench.shapes import ByteArray
from facebench.types import Backbone, Features, Sample

if TYPE_CHECKING:
    from torch import Tensor

SHARD = 64
"""Samples a shard: what a kill may cost, some seconds of a ViT-B on two cores; 40 MB of its tokens at 224 pixels."""

VERSION = 1
"""Goes up whenever code here or in `geometry.crop` changes a feature."""


@dataclass(frozen=True, eq=False)
class Shard:
    """Features of some consecutive samples.

    Attributes:
        samples: those that have features, in order.
        tokens: (n, D, h, w) float32, on the CPU.
        pooled: (n, D) float32, on the CPU.
        failures: id to reason of those whose picture could not be read.
    """

    samples: Sequence[Sample]
    tokens: Tensor
    pooled: Tensor
    failures: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Extractor:
    """One backbone looking at samples through one framing.

    Attributes:
        backbone: what makes the features.
        framing: how samples are cropped.
        cache: where shards are kept.
        batches: the batch size, which decays where memory runs out.
        device: torch's name of the device.
        note: called with each thing a reader of the result must be told.
        step: called with the number of samples done and whether they came from the cache.
        streamed: names of the splits whose features are not kept.
        times: of the batches of each shard that was asked for, by its key.
        made: sizes of the batches that this run made.
    """

    backbone: Backbone
    framing: Framing
    cache: FeatureCache
    batches: Batches
    device: str = "cpu"
    note: Callable[[str], None] = lambda _: None
    step: Callable[[int, bool], None] = lambda _n, _cached: None
    streamed: list[str] = field(default_factory=list)
    times: dict[str, list[Timed]] = field(default_factory=dict)
    made: list[int] = field(default_factory=list)

    def shards(self, samples: Sequence[Sample], what: str) -> Iterator[Shard]:
        """Shards of `samples`, from the cache or from the backbone; each shard is made when it is asked for.

        Args:
            samples: a split.
            what: its name in notes.
        """
        keep = True
        for start in range(0, len(samples), SHARD):
            part = samples[start : start + SHARD]
            key = self.key(part)
            found = self.cache.read(key, self.note)
            arrays = found or self._extract(part)
            self.times[key] = [Timed(*each) for each in arrays["times"]]
            if start == 0:
                keep = self._fits(arrays, len(samples), len(part), what)
            if found is None and keep:
                self.cache.write(key, arrays, self.note)
            self.step(len(part), found is not None)
            yield _shard(part, arrays)

    def latency(self) -> LatencyRecord | None:
        """Of the shards that were asked for, as they were made in this run or an earlier one."""
        return latency_of([each for times in self.times.values() for each in times])

    def missing(self, samples: Sequence[Sample]) -> int:
        """How many of `samples` have no features in the cache."""
        parts = [samples[i : i + SHARD] for i in range(0, len(samples), SHARD)]
        return sum(len(part) for part in parts if not self.cache.holds(self.key(part)))

    def key(self, samples: Sequence[Sample]) -> str:
        """Hash (sha256, hex) of everything that the features of `samples` depend on."""
        digest = hashlib.sha256(json.dumps(self._identity(), sort_keys=True).encode())
        for sample in samples:
            try:
                box: object = self.framing.box_of(sample)
            except DataError as cause:
                box = str(cause)
            name = f"{sample.id}\0" if len(self.framing.identity) > 3 else ""  # a view's draws follow from the id
            digest.update(f"{_picture_digest(sample.image)}\0{box!r}\0{name}".encode())
        return digest.hexdigest()

    def _identity(self) -> dict[str, Any]:
        import cv2
        import torch

        from facebench.geometry.crop import INTERPOLATION

        record = self.backbone.record
        return {
            "version": VERSION,
            "weights": record.sha256 or record.spec,
            "parameters": record.parameters,
            "details": record.details,
            "input": self.backbone.input_size,
            "crop": [*self.framing.identity, INTERPOLATION],
            "shard": SHARD,
            "libraries": [torch.__version__, cv2.__version__, self.device.partition(":")[0]],
        }

    def _fits(self, arrays: Mapping[str, Any], total: int, part: int, what: str) -> bool:
        size = sum(t.numel() * t.element_size() for t in arrays["tensors"].values()) * total // max(part, 1)
        if size <= self.cache.cap:
            return True
        if what not in self.streamed:  # a head may read a split more than once
            self.streamed.append(what)
            room = f"more than the cache may hold ({_amount(self.cache.cap)})"
            self.note(f"{what}: {_amount(size)} of features are {room}: streamed, not kept")
        return False

    def _extract(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """Features of one shard, made by the backbone."""
        crops, failures, times = [], {}, list[Timed]()
        for sample in samples:
            try:
                crops.append(self.framing.show(sample))
            except DataError as cause:
                failures[sample.id] = str(cause)
        tokens, pooled = [], []
        for features in self.batches.run(partial(self._features, times=times), crops):
            tokens.append(tokens_of(features).cpu())
            pooled.append(features.pooled.float().cpu())
        tensors = {"tokens": _packed(tokens), "pooled": _packed(pooled)}
        return {"tensors": tensors, "failures": failures, "times": times}

    def _features(self, crops: Sequence[ByteArray], times: list[Timed]) -> Features:
        import numpy as np
        import torch

        images = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).to(self.device).float() / 255
        features, seconds = timed(lambda: self.backbone.features(images), self.device)
        check_features(features, self.backbone.record.spec)
        times.append(Timed(len(crops), seconds, device_name(self.device), first=not self.made))
        self.made.append(len(crops))
        if not features.maps:
            raise FacebenchError(f"{self.backbone.record.spec} gives no spatial features; a dense head needs a map")
        return features


def _amount(size: int) -> str:
    """Bytes for people: `6.1 GB`, `480 kB`; none is `nothing`."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} bytes" if size else "nothing"


def _packed(parts: Sequence[Tensor]) -> Tensor:
    """The batches as one tensor in plain memory order, whatever order (channels last) the backbone works in."""
    import torch

    return torch.cat(list(parts)).contiguous() if parts else torch.zeros(0)


def tokens_of(features: Features) -> Tensor:
    """The tokens (N, D, h, w) that heads see: the deepest map; of a pyramid, the two deepest.

    Where the map before the deepest is finer (ResNet, Swin, ConvNeXt), the deepest is upsampled to its grid (bilinear,
    edge to edge) and both are stacked: a stride of 32 alone leaves 3 x 3 tokens of 112 pixels. A random ConvNeXt goes
    from 8.9 % to 8.2 % NME and from 60 to 66 F1 (synthetic faces), as much as all four maps give. Four depths of a ViT
    gave 3 % of its NME and 2.6 F1 for four times the disk; there the deepest alone is taken.
    """
    import torch

    deepest = features.maps[-1].float()
    before = features.maps[-2].float() if len(features.maps) > 1 else deepest
    if before.shape[-1] <= deepest.shape[-1]:
        return deepest.contiguous()
    size = (before.shape[-2], before.shape[-1])
    larger = torch.nn.functional.interpolate(deepest, size, mode="bilinear", align_corners=False)
    return torch.cat([before, larger], dim=1).contiguous()  # a network may think in channels-last


def _shard(part: Sequence[Sample], arrays: Mapping[str, Any]) -> Shard:
    failures = arrays["failures"]
    good = [sample for sample in part if sample.id not in failures]
    return Shard(good, arrays["tensors"]["tokens"], arrays["tensors"]["pooled"], failures)


@lru_cache(maxsize=65536)
def _digest_of_file(path: str, size: int, changed: int) -> str:
    del size, changed  # only tell one state of the file from another
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _picture_digest(path: Path) -> str:
    """Hash of a picture's bytes; of its pixels where it lies inside a larger file; the reason where there is none."""
    try:
        if path.is_file():
            status = path.stat()
            return _digest_of_file(str(path), status.st_size, status.st_mtime_ns)
        picture = read_image(path)
        return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()
    except (DataError, OSError) as cause:
        return str(cause)
