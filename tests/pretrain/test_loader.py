"""The stream of batches is a function of seed and step: not of ranks, micro-batches, processes or interruptions."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facebench.errors import DataError, UsageError
from pretrain.batch import Batch
from pretrain.config import PretrainConfig
from pretrain.data.loader import open_stream
from pretrain.data.order import Order, first_sizes
from pretrain.data.shards import Shards
from pretrain.method.regions import region_map
from pretrain.prepare.options import Options
from pretrain.prepare.run import prepare
from tests.drawn_faces import draw
from tests.pretrain.made_sources import SMALL, prepared, sidecar, write_folder
from tests.source_tree import same_modules

PICTURES = 18


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return Shards.open(prepared(tmp_path_factory.mktemp("set"), PICTURES))


def config(batch: int = 12, accumulate: int = 1, workers: int = 0, **sections: dict[str, Any]) -> PretrainConfig:
    data = {"workers": workers, "shuffle_shards": 2, **sections.pop("data", {})}
    optim = {"batch": batch, "accumulate": accumulate}
    return PretrainConfig.model_validate({"encoder": {"img_size": 32}, "data": data, "optim": optim, **sections})


def take(
    config: PretrainConfig, shards: Shards, steps: int, *, first: int = 0, rank: int = 0, world: int = 1
) -> list[list[Batch]]:
    with open_stream(config, shards, rank=rank, world=world, first_step=first, patch=8) as stream:
        return list(islice(stream, steps))


def joined(parts: list[Batch]) -> tuple[Any, ...]:
    """The global batch of a step from its parts, put where they say they belong."""
    parts = sorted(parts, key=lambda batch: batch.first)
    ids = tuple(name for batch in parts for name in batch.ids)
    at = 0
    for batch in parts:
        assert batch.first == at
        at += len(batch.ids)
    assert {batch.total for batch in parts} == {at}
    return ids, *(torch.cat([getattr(b, name) for b in parts]) for name in ("images", "replaced", "regions"))


def assert_equal_steps(some: list[list[Batch]], others: list[list[Batch]]) -> None:
    assert len(some) == len(others)
    for a, b in zip(some, others, strict=True):
        for one, other in zip(joined(a), joined(b), strict=True):
            assert one == other if isinstance(one, tuple) else torch.equal(one, other)


def test_a_batch_is_what_the_contract_says(shards):
    ((batch,),) = take(config(), shards, 1)
    assert batch.images.shape == (12, 3, 32, 32)
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous()
    assert 0 <= batch.images.min() < 0.2
    assert 0.8 < batch.images.max() <= 1
    assert batch.replaced.shape == batch.regions.shape == (12, 16)
    assert (batch.replaced.dtype, batch.regions.dtype) == (torch.bool, torch.int64)
    assert batch.replaced.sum(dim=1).tolist() == [12] * 12
    assert (batch.first, batch.total, len(set(batch.ids))) == (0, 12, 12)


@pytest.mark.parametrize(("world", "accumulate"), [(1, 1), (1, 4), (2, 1), (2, 3), (3, 2), (12, 1)])
def test_ranks_and_micro_batches_share_one_global_batch(shards, world, accumulate):
    whole = take(config(), shards, 4)
    shares = [take(config(accumulate=accumulate), shards, 4, rank=r, world=world) for r in range(world)]
    assert all(len(step) == accumulate for share in shares for step in share)
    assert_equal_steps(whole, [[b for share in shares for b in share[step]] for step in range(4)])


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_processes_changes_nothing(shards, workers):
    assert_equal_steps(take(config(accumulate=2), shards, 3), take(config(accumulate=2, workers=workers), shards, 3))


LOADING = """
import multiprocessing, sys, time
from pathlib import Path
from pretrain.data.loader import open_stream
from pretrain.data.shards import Shards
from tests.pretrain.test_loader import config

if __name__ == "__main__":
    shards = Shards.open(Path(sys.argv[1]))
    with open_stream(config(workers=2), shards, rank=0, world=1, first_step=0, patch=8) as steps:
        next(iter(steps))
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_no_process_outlives_a_trainer_that_was_killed(shards, tmp_path):
    script = tmp_path / "loading.py"
    script.write_text(LOADING, encoding="utf-8")
    command = [sys.executable, str(script), str(shards.folder)]
    with subprocess.Popen(command, env=same_modules(), stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        workers = [int(pid) for pid in trainer.stdout.readline().split()]
        trainer.kill()
    assert len(workers) == 2
    deadline = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))


def alive(pid: int) -> bool:
    """Whether a process runs; one that is gone but not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_goes_on_in_the_middle_of_an_epoch(shards):
    # 18 pictures, 12 a step: step 1 ends the first epoch and begins the second.
    whole = take(config(), shards, 5)
    for first in range(1, 5):
        assert_equal_steps(whole[first:], take(config(), shards, 5 - first, first=first))


def test_each_picture_is_seen_once_an_epoch_and_in_another_order(shards):
    steps = take(config(batch=6), shards, 9)
    seen = [name for (batch,) in steps for name in batch.ids]
    epochs = [seen[i : i + PICTURES] for i in range(0, 3 * PICTURES, PICTURES)]
    everything = sorted(shards.key(i) for i in range(PICTURES))
    assert all(sorted(epoch) == everything for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_steps_per_epoch_is_a_real_number(shards):
    with open_stream(config(), shards, rank=0, world=1, first_step=0, patch=8) as stream:
        assert (stream.pictures, stream.steps_per_epoch) == (18, 1.5)
    with open_stream(config(data={"limit": 5}), shards, rank=0, world=1, first_step=0, patch=8) as stream:
        assert stream.pictures == 5


def test_a_batch_may_be_larger_than_the_set(shards):
    ((batch,),) = take(config(batch=12, data={"limit": 5}), shards, 1)
    counts = [batch.ids.count(f"{i:09d}") for i in range(5)]
    assert sorted(counts) == [2, 2, 2, 3, 3]


def test_another_seed_shows_other_masks_and_another_order(shards):
    ((one,),), ((other,),) = take(config(), shards, 1), take(config(run={"seed": 1}), shards, 1)
    assert one.ids != other.ids
    assert not torch.equal(one.replaced, other.replaced)


def test_a_mask_is_drawn_anew_in_every_epoch_and_belongs_to_its_picture(shards):
    masks: dict[str, list[tuple[bool, ...]]] = {}
    for (batch,) in take(config(batch=18), shards, 3):
        for name, mask in zip(batch.ids, batch.replaced.tolist(), strict=True):
            masks.setdefault(name, []).append(tuple(mask))
    assert sum(len(set(drawn)) == 3 for drawn in masks.values()) >= 15
    # The same draws whatever stands around the picture: a batch of 6 shows it as the batch of 18 did.
    for (batch,) in take(config(batch=6), shards, 3):
        for name, mask in zip(batch.ids, batch.replaced.tolist(), strict=True):
            assert masks[name][0] == tuple(mask)


def test_regions_follow_the_mirror(shards):
    pictures = {}
    for (batch,) in take(config(batch=18, data={"flip": 0.0}), shards, 1):
        pictures |= {name: (i, r) for name, i, r in zip(batch.ids, batch.images, batch.regions, strict=True)}
    for (batch,) in take(config(batch=18, data={"flip": 1.0}), shards, 1):
        for name, image, regions in zip(batch.ids, batch.images, batch.regions, strict=True):
            plain, there = pictures[name]
            assert torch.equal(image, plain.flip(-1))
            same = (there.reshape(4, 4).flip(1) == regions.reshape(4, 4)).float().mean()
            assert same >= 0.9  # a patch whose coverage is a tie may go either way


def test_global_random_state_is_left_alone(shards):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    expected = torch.rand(3)
    torch.manual_seed(5)
    take(config(workers=1), shards, 1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_picture_is_named_in_one_line_where_its_turn_comes(tmp_path, workers):
    folder = prepared(tmp_path, 4)
    opened = Shards.open(folder)
    data = bytearray((folder / "000000.tar").read_bytes())
    data[int(opened.index.offset[2]) + 700] ^= 255
    (folder / "000000.tar").write_bytes(data)
    with (
        open_stream(config(batch=1, workers=workers), Shards.open(folder), rank=0, world=1, first_step=0, patch=8) as s,
        pytest.raises(DataError) as caught,
    ):
        list(islice(s, 4))
    assert str(caught.value).count("\n") == 0
    assert str(caught.value).startswith(f"{folder / '000000.tar'}: picture 000000002 is damaged")


def test_a_batch_that_cannot_be_shared_is_refused(shards):
    with pytest.raises(UsageError, match=r"batch 12 cannot be shared by 5 ranks with 1 .* a multiple of 5"):
        take(config(), shards, 1, world=5)
    with pytest.raises(UsageError, match="a multiple of 8"):
        take(config(accumulate=4), shards, 1, world=2)


def test_patches_must_tile_the_picture(shards):
    with pytest.raises(UsageError, match="img_size 32 is not a multiple of the encoder's patch, 7 pixels"):
        open_stream(config(), shards, rank=0, world=1, first_step=0, patch=7)


def test_masks_get_what_they_go_by_or_say_what_is_missing(tmp_path, shards):
    regions = {}
    for source in ("five", "sixty-eight", "template"):
        ((batch,),) = take(config(mask={"region_source": source}, data={"flip": 0.0}), shards, 1)
        regions[source] = batch.regions
    assert not torch.equal(regions["five"], regions["template"])
    with pytest.raises(UsageError, match=r"region_source is parsing, and .* has no label maps"):
        take(config(mask={"region_source": "parsing"}), shards, 1)
    five = Shards.open(prepared(tmp_path / "five", 2, landmarks=5))
    with pytest.raises(UsageError, match=r"sixty-eight, and .* does not have 68 landmarks for every face"):
        take(config(mask={"region_source": "sixty-eight"}), five, 1)
    bare = Shards.open(prepared(tmp_path / "bare", 2, landmarks=None))
    with pytest.raises(UsageError, match=r"is five, and .* has no landmarks"):
        take(config(), bare, 1)
    ((batch,),) = take(config(mask={"region_source": "template"}), bare, 1)
    expected = region_map(None, source="template", size=32, grid=4)
    assert (batch.regions.numpy() == expected).all()


def test_a_face_without_landmarks_among_others_falls_back_to_the_template(tmp_path):
    source = write_folder(tmp_path / "s", range(2), landmarks=5)
    (source / "00" / "00001.json").write_bytes(sidecar(draw(1), landmarks=None))
    prepare([source], tmp_path / "out", SMALL)
    ((batch,),) = take(config(batch=2), Shards.open(tmp_path / "out"), 1)
    at = batch.ids.index("000000001")
    assert (batch.regions[at].numpy() == region_map(None, source="five", size=32, grid=4)).all()
    assert (batch.regions[1 - at].numpy() != region_map(None, source="five", size=32, grid=4)).any()


def test_label_maps_reach_the_regions(tmp_path):
    source = write_folder(tmp_path / "s", range(2))
    (tmp_path / "maps").mkdir()
    for seed in range(2):
        cv2.imwrite(str(tmp_path / "maps" / f"{seed:05d}.png"), draw(seed).labels)
    prepare([source], tmp_path / "out", Options(size=32, min_side=20), parsing=tmp_path / "maps")
    opened = Shards.open(tmp_path / "out")
    ((batch,),) = take(config(2, mask={"region_source": "parsing"}, data={"flip": 0.0}), opened, 1)
    for name, regions in zip(batch.ids, batch.regions.numpy(), strict=True):
        labels = cv2.imdecode(np.frombuffer(opened.read(int(name)).seg, np.uint8), cv2.IMREAD_UNCHANGED)
        expected = region_map(None, source="parsing", size=32, grid=4, labels=labels)
        np.testing.assert_array_equal(regions, expected)


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=12).map(tuple),
    group=st.integers(1, 12),
    seed=st.integers(0, 2**31 - 1),
    epoch=st.integers(0, 1000),
)
def test_an_order_holds_every_number_once_and_few_shards_at_a_time(sizes, group, seed, epoch):
    order = Order(sizes, group, seed).epoch(epoch)
    assert sorted(order.tolist()) == list(range(sum(sizes)))
    shard = np.repeat(np.arange(len(sizes)), sizes)[order]
    # Once a shard's group is over, the shard does not come back.
    spans = [(np.flatnonzero(shard == s).min(), np.flatnonzero(shard == s).max()) for s in range(len(sizes))]
    overlapping = max(sum(a <= place <= b for a, b in spans) for place in range(sum(sizes)))
    assert overlapping <= group


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8).map(tuple), limit=st.integers(1, 80))
def test_a_limit_takes_the_first_pictures(sizes, limit):
    kept = first_sizes(sizes, limit)
    assert sum(kept) == min(limit, sum(sizes))
    assert all(a == b for a, b in zip(kept[:-1], sizes, strict=False))
    assert first_sizes(sizes, None) == sizes


def test_a_shard_that_goes_away_while_it_is_read_is_named(tmp_path):
    folder: Path = prepared(tmp_path, 4)
    opened = Shards.open(folder)
    (folder / "000000.tar").unlink()
    with pytest.raises(DataError, match=r"shard .*000000.tar does not exist"):
        take(config(batch=1), opened, 1)
