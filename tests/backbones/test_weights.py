"""Weights from files: exact keys, refused pickles, and a hash that anyone can compute."""

from __future__ import annotations

import hashlib
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from facebench.backbones.weights import digest, load_exact, read_header, read_weights
from facebench.errors import FacebenchError, UsageError


def tiny() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def filled(value: float = 1.0) -> dict[str, Tensor]:
    """The tiny model's weights, every float the same."""
    return {k: torch.full_like(v, value) if v.is_floating_point() else v for k, v in tiny().state_dict().items()}


# --- hash ------------------------------------------------------------------------------------------------------------


def test_digest_by_hand() -> None:
    weights = {"b": torch.tensor([1.0, -2.0]), "a": torch.tensor(3, dtype=torch.int64)}
    by_hand = hashlib.sha256()
    by_hand.update(b"a\0int64\0()\0" + struct.pack("<q", 3))
    by_hand.update(b"b\0float32\0(2,)\0" + struct.pack("<2f", 1.0, -2.0))
    assert digest(weights) == by_hand.hexdigest()


def test_digest_knows_names_shapes_types_and_values_but_no_order() -> None:
    base = {"a": torch.arange(6.0), "b": torch.zeros(2)}
    assert digest(dict(reversed(base.items()))) == digest(base)
    changed: list[dict[str, Tensor]] = [
        {"a": base["a"], "c": base["b"]},
        {"a": base["a"].reshape(2, 3), "b": base["b"]},
        {"a": base["a"].double(), "b": base["b"]},
        {"a": base["a"].flip(0), "b": base["b"]},
        {"a": base["a"], "b": torch.tensor([0.0, -0.0])},
        {"a": base["a"]},
    ]
    assert len({digest(w) for w in [base, *changed]}) == 7


def test_digest_is_of_the_values_not_of_their_layout() -> None:
    matrix = torch.arange(6.0).reshape(2, 3)
    assert digest({"a": matrix.T.contiguous().T}) == digest({"a": matrix})
    assert digest({"a": matrix.bfloat16()}) != digest({"a": matrix.half()})
    assert len(digest({"a": torch.zeros(0, 3)})) == 64


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=5), st.integers(0, 4), st.integers(1, 255))
def test_any_flipped_byte_changes_the_digest(values: list[float], at: int, flip: int) -> None:
    before = torch.tensor(values)
    after = before.clone()
    view = after.view(torch.uint8)
    view[at % len(view)] ^= flip
    assert digest({"a": before}) != digest({"a": after})


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", ["bare", "model", "state_dict"])
@pytest.mark.parametrize("prefix", ["", "module.", "module.backbone.", "_orig_mod."])
def test_documented_wrappers_and_prefixes_are_taken_away(tmp_path: Path, wrap: str, prefix: str) -> None:
    named = {prefix + k: v for k, v in filled(2.0).items()}
    torch.save(named if wrap == "bare" else {wrap: named, "epoch": 4}, tmp_path / "w.pt")
    module = tiny()
    load_exact(module, read_weights(tmp_path / "w.pt"), "w.pt")
    assert all(torch.equal(v, filled(2.0)[k]) for k, v in module.state_dict().items())


def test_a_prefix_that_only_some_keys_carry_is_a_difference() -> None:
    weights = {("module." if k.startswith("0") else "") + k: v for k, v in filled().items()}
    with pytest.raises(FacebenchError, match=r"missing 2 keys \(0.bias, 0.weight\); unexpected 2 keys \(module.0.bias"):
        load_exact(tiny(), weights, "w")


def test_a_prefix_that_the_model_has_itself_stays() -> None:
    module = nn.ModuleDict({"model": nn.Linear(2, 2)})
    load_exact(module, {f"module.{k}": torch.ones_like(v) for k, v in module.state_dict().items()}, "w")
    assert bool((module.state_dict()["model.weight"] == 1).all())


def test_missing_and_unexpected_keys_are_named_and_counted() -> None:
    weights = filled() | {f"decoder.{i}": torch.zeros(1) for i in range(9)}
    del weights["0.weight"]
    with pytest.raises(FacebenchError) as error:
        load_exact(tiny(), weights, "last.pth")
    assert str(error.value) == (
        "last.pth does not fit the model: missing 1 key (0.weight); "
        "unexpected 9 keys (decoder.0, decoder.1, decoder.2, decoder.3, …)"
    )


def test_a_difference_leaves_the_model_alone() -> None:
    module = tiny()
    before = digest(module.state_dict())
    broken = [filled() | {"x": torch.zeros(1)}, filled() | {"0.bias": torch.zeros(4)}, filled(float("nan"))]
    for weights in broken:
        with pytest.raises(FacebenchError):
            load_exact(module, weights, "w")
        assert digest(module.state_dict()) == before


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(FacebenchError, match=r"1 shape \(0.weight is \(3, 5\), wanted \(3, 2\)\)"):
        load_exact(tiny(), filled() | {"0.weight": torch.zeros(3, 5)}, "w")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(FacebenchError, match=r"NaN or infinite numbers in 1 key \(0.bias\)"):
        load_exact(tiny(), filled() | {"0.bias": torch.tensor([0.0, bad, 0.0])}, "w")


def test_only_the_named_heads_are_left_out() -> None:
    extra = {"fc.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}
    load_exact(tiny(), filled() | extra, "w", heads=("fc",))
    with pytest.raises(FacebenchError, match=r"unexpected 1 key \(fc2.weight\)"):
        load_exact(tiny(), filled() | extra | {"fc2.weight": torch.zeros(1)}, "w", heads=("fc",))
    with pytest.raises(FacebenchError, match="unexpected 2 keys"):
        load_exact(tiny(), filled() | extra, "w")


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return (Path.touch, (Path(self.target),))


@pytest.mark.parametrize("name", ["bomb.pth", "bomb.pkl"])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path, name: str) -> None:
    loot = tmp_path / "ran"
    content = {"weights": torch.zeros(1), "bomb": Bomb(str(loot))}
    if name == "bomb.pth":
        torch.save(content, tmp_path / name)
    else:
        (tmp_path / name).write_bytes(pickle.dumps(content))
    with pytest.raises(FacebenchError, match="could run code when it is read; it is refused") as error:
        read_weights(tmp_path / name)
    assert "\n" not in str(error.value)
    assert not loot.exists()
    torch.load(tmp_path / "bomb.pth", weights_only=False) if name == "bomb.pth" else None
    assert loot.exists() == (name == "bomb.pth")  # the bomb was live


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("keep", [0, 7, 200])
def test_half_a_file_is_named(tmp_path: Path, name: str, keep: int) -> None:
    path = tmp_path / name
    if name == "w.pth":
        torch.save(filled(), path)
    else:
        save_file(filled(), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FacebenchError, match=f"{name}") as error:
        read_weights(path)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there() -> None:
    for read in (read_weights, read_header):
        with pytest.raises(UsageError, match=r"nowhere\.safetensors does not exist"):
            read(Path("nowhere.safetensors"))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([torch.zeros(1)], "holds a list, not tensors by name"),
        ({}, "holds nothing"),
        ({"a": torch.zeros(1), "epoch": 3}, r"holds 1 key \(epoch\) that are no tensors"),
        ({"model": {"a": torch.zeros(1)}, "state_dict": {"a": torch.ones(1)}}, "'state_dict' and 'model'"),
    ],
)
def test_what_is_no_set_of_weights_is_said(tmp_path: Path, content: Any, found: str) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(FacebenchError, match=found):
        read_weights(tmp_path / "w.pth")


def test_no_weights_at_all_are_refused() -> None:
    with pytest.raises(FacebenchError, match="does not fit the model: missing 7 keys"):
        load_exact(tiny(), {}, "x")
