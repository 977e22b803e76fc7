from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from facebench.batches import Batches
from facebench.errors import FacebenchError
from facebench.feature_cache import FeatureCache
from facebench.features import SHARD, Extractor, tokens_of
from facebench.framing import Framing
from facebench.record import BackboneRecord
from facebench.types import Features, Landmarks, Sample

SIZE = 16


@dataclass(eq=False)
class Counting:
    """A backbone that averages 4 x 4 pixels, and counts the pictures it was shown."""

    record: BackboneRecord
    input_size: int = SIZE
    seen: int = 0
    batches: list[int] = field(default_factory=list)
    spoil: Callable[[torch.Tensor], torch.Tensor] = lambda maps: maps
    capacity: int = 10**9

    def features(self, images: torch.Tensor) -> Features:
        if len(images) > self.capacity:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.seen += len(images)
        self.batches.append(len(images))
        maps = self.spoil(torch.nn.functional.avg_pool2d(images, 4))
        return Features(maps=(maps,), pooled=maps.mean(dim=(2, 3)))


def _backbone(sha256: str = "0" * 64, **changes: object) -> Counting:
    record = BackboneRecord(
        spec="counting", name="counting", weights="file", sha256=sha256, parameters=1, input_size=SIZE, details={"a": 1}
    )
    return Counting(record, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Sample]:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    made = []
    for k in range(SHARD + 10):
        path = folder / f"{k}.png"
        cv2.imwrite(str(path), rng.integers(0, 256, (20, 24, 3)).astype(np.uint8))
        points = np.array([[4.0, 4], [18, 6], [10, 15]])
        made.append(Sample(id=str(k), image=path, box=None, target=Landmarks(points)))
    return made


def _extractor(backbone: Counting, folder: Path, **changes: object) -> Extractor:
    cache = FeatureCache(folder / "features", 10**9)
    return replace(Extractor(backbone, Framing("gt", 1.25, SIZE), cache, Batches(16)), **changes)  # type: ignore[arg-type]


def _tokens(extractor: Extractor, samples: Sequence[Sample]) -> torch.Tensor:
    return torch.cat([shard.tokens for shard in extractor.shards(samples, "a split")])


def test_features_are_made_once(samples: Sequence[Sample], tmp_path: Path) -> None:
    backbone = _backbone()
    first = _tokens(_extractor(backbone, tmp_path), samples)
    assert backbone.seen == len(samples)
    cached: list[tuple[int, bool]] = []
    again = _tokens(_extractor(backbone, tmp_path, step=lambda n, c: cached.append((n, c))), samples)
    assert backbone.seen == len(samples)
    assert torch.equal(first, again)
    assert cached == [(SHARD, True), (10, True)]
    assert first.dtype == torch.float32


def test_features_are_those_of_the_crop(samples: Sequence[Sample], tmp_path: Path) -> None:
    crop = Framing("gt", 1.25, SIZE).crop(samples[3])
    picture = cv2.imread(str(samples[3].image))[..., ::-1]
    expected = crop.apply(np.ascontiguousarray(picture)).astype(float).reshape(4, 4, 4, 4, 3).mean(axis=(1, 3)) / 255
    found = _tokens(_extractor(_backbone(), tmp_path), samples[:5])[3]
    np.testing.assert_allclose(found.permute(1, 2, 0), expected, atol=1e-6)


def test_the_key_is_the_content(samples: Sequence[Sample], tmp_path: Path) -> None:
    base = _extractor(_backbone(), tmp_path)
    part = samples[:4]
    key = base.key(part)
    assert base.key(part) == key
    renamed = _backbone()
    renamed.record = renamed.record.model_copy(update={"spec": "other", "name": "other"})
    assert replace(base, backbone=renamed).key(part) == key, "a name is not content"
    other_details = _backbone()
    other_details.record = other_details.record.model_copy(update={"details": {"a": 2}})
    changed = [
        replace(base, backbone=_backbone("1" * 64)).key(part),
        replace(base, backbone=other_details).key(part),
        replace(base, framing=Framing("gt", 1.3, SIZE)).key(part),
        replace(base, framing=Framing("whole", 1.25, SIZE)).key(part),
        replace(base, framing=Framing("gt", 1.25, 32)).key(part),
        base.key(samples[:5]),
        base.key(samples[1:5]),
        base.key([replace(part[0], target=Landmarks(np.array([[4.0, 4], [18, 6], [10, 15.5]]))), *part[1:]]),
    ]
    assert len({key, *changed}) == 1 + len(changed)


def test_a_changed_picture_is_seen(samples: Sequence[Sample], tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((20, 24, 3), 100, np.uint8))
    sample = [replace(samples[0], image=path)]
    extractor = _extractor(_backbone(), tmp_path)
    before = extractor.key(sample)
    cv2.imwrite(str(path), np.full((20, 24, 3), 101, np.uint8))
    assert extractor.key(sample) != before


def test_a_changed_checkpoint_does_not_meet_old_features(samples: Sequence[Sample], tmp_path: Path) -> None:
    _tokens(_extractor(_backbone("a" * 64), tmp_path), samples)
    changed = _backbone("b" * 64)
    _tokens(_extractor(changed, tmp_path), samples)
    assert changed.seen == len(samples)


def test_a_damaged_shard_is_made_again_and_told(samples: Sequence[Sample], tmp_path: Path) -> None:
    backbone, notes = _backbone(), []
    extractor = _extractor(backbone, tmp_path, note=notes.append)
    first = _tokens(extractor, samples)
    victim = sorted(extractor.cache.folder.glob("*.safetensors"))[0]
    data = bytearray(victim.read_bytes())
    data[-7] ^= 4
    victim.write_bytes(bytes(data))
    assert torch.equal(_tokens(extractor, samples), first)
    assert "damaged" in notes[0]
    assert victim.read_bytes() != bytes(data)


def test_more_than_the_bound_is_streamed_and_told(samples: Sequence[Sample], tmp_path: Path) -> None:
    backbone, notes = _backbone(), []
    extractor = _extractor(backbone, tmp_path, note=notes.append, cache=FeatureCache(tmp_path / "small", 5_000))
    whole = _tokens(extractor, samples)
    assert torch.equal(whole, _tokens(extractor, samples))
    assert extractor.streamed == ["a split"]
    # 74 pictures of 3 channels at 4 x 4 cells and pooled, 4 bytes each: 74 * 51 * 4 = 15,096.
    told = "a split: 15.1 kB of features are more than the cache may hold (5 kB): streamed, not kept"
    assert notes == [told], "once, however often the split is read"
    assert not list((tmp_path / "small").glob("*"))
    assert torch.equal(whole, _tokens(_extractor(backbone, tmp_path), samples))


def test_a_batch_that_does_not_fit_is_halved(samples: Sequence[Sample], tmp_path: Path) -> None:
    backbone = _backbone(capacity=5)
    batches = Batches(16)
    tight = _tokens(_extractor(backbone, tmp_path, batches=batches), samples)
    assert batches.size == 4
    assert max(backbone.batches) <= 5
    torch.testing.assert_close(tight, _tokens(_extractor(_backbone(), tmp_path / "other"), samples), atol=1e-6, rtol=0)


def test_nan_names_the_layer(samples: Sequence[Sample], tmp_path: Path) -> None:
    backbone = _backbone(spoil=lambda maps: maps * float("nan"))
    with pytest.raises(FacebenchError, match=r"counting gives NaN .* in map 1 of 1") as caught:
        _tokens(_extractor(backbone, tmp_path), samples)
    assert caught.value.exit_code == 1
    assert not list((tmp_path / "features").glob("*"))


def test_a_backbone_without_maps_is_refused(samples: Sequence[Sample], tmp_path: Path) -> None:
    class Flat(Counting):
        def features(self, images: torch.Tensor) -> Features:
            return Features(maps=(), pooled=images.mean(dim=(2, 3)))

    with pytest.raises(FacebenchError, match="no spatial features"):
        _tokens(_extractor(Flat(_backbone().record), tmp_path), samples)


def test_unreadable_pictures_are_named_and_the_rest_is_kept(samples: Sequence[Sample], tmp_path: Path) -> None:
    broken = replace(samples[1], id="gone", image=tmp_path / "gone.png")
    for _ in range(2):  # made, then from the cache
        (shard,) = _extractor(_backbone(), tmp_path).shards([samples[0], broken, samples[2]], "a split")
        assert [sample.id for sample in shard.samples] == ["0", "2"]
        assert shard.tokens.shape[0] == 2
        assert "does not exist" in shard.failures["gone"]


def test_a_shard_without_one_readable_picture(samples: Sequence[Sample], tmp_path: Path) -> None:
    broken = replace(samples[1], id="gone", image=tmp_path / "gone.png")
    (shard,) = _extractor(_backbone(), tmp_path).shards([broken], "a split")
    assert not shard.samples
    assert list(shard.failures) == ["gone"]


def test_a_pyramid_gives_its_two_deepest_maps() -> None:
    rng = torch.Generator().manual_seed(0)
    sizes = ((2, 16), (3, 8), (5, 4))
    maps = tuple(torch.rand(2, width, side, side, generator=rng) for width, side in sizes)
    tokens = tokens_of(Features(maps=maps, pooled=torch.zeros(2, 5)))
    assert tokens.shape == (2, 8, 8, 8)
    assert torch.equal(tokens[:, :3], maps[1])
    # Edge to edge: the mean of the upsampled map over a 2 x 2 block in the middle is near its cell, corners are equal.
    torch.testing.assert_close(tokens[:, 3:, 0, 0], maps[2][:, :, 0, 0])


def test_a_map_of_one_resolution_gives_the_deepest() -> None:
    maps = tuple(torch.rand(2, 3, 4, 4) for _ in range(4))
    assert torch.equal(tokens_of(Features(maps=maps, pooled=torch.zeros(2, 3))), maps[-1])


def test_the_latency_is_taken_once_and_kept_beside_the_features(samples: Sequence[Sample], tmp_path: Path) -> None:
    backbone = _backbone()
    first = _extractor(backbone, tmp_path)
    assert first.latency() is None
    _tokens(first, samples)
    made = first.latency()
    assert made is not None
    assert (made.batch, made.batches) == (16, SHARD // 16 - 1), "neither the first batch nor the rest of ten"
    again = _extractor(backbone, tmp_path)
    _tokens(again, samples)
    assert again.latency() == made
    assert backbone.seen == len(samples)
