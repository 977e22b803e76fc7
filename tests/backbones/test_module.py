"""Backbones from the user's own code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from facebench.backbones.module import BACKBONE
from facebench.errors import FacebenchError, UsageError
from facebench.types import Backbone
from tests.backbones.pictures import noise

CODE = """
from dataclasses import dataclass
from pathlib import Path
import torch
from torch import nn

Path(__file__).with_suffix(".ran").touch()

@dataclass
class Note:  # needs the module to be findable while it is made
    text: str = "x"

class Net(nn.Module):
    mean, std, input_size = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 32

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 8, stride=8, bias=False)
        nn.init.constant_(self.conv.weight, 0.01)

    def forward(self, x):
        return self.conv(x)

class Pyramid(Net):
    def forward(self, x):
        return [self.conv(x), nn.functional.avg_pool2d(self.conv(x), 2)]

class Mute(Net):
    std = None

class Crooked(Net):
    std = (1.0, 0.0, 1.0)

class Flat(Net):
    def forward(self, x):
        return self.conv(x).mean((2, 3))

def timm_model():
    from facebench.backbones.timm import build
    return build("resnet10t", seed=2)

def own():
    from facebench.backbones.pixels import BACKBONE
    return BACKBONE.open("", 64)

def number():
    return 7

def broken():
    raise ValueError("no weights\\nhere")

def needs(x):
    return x

constant = 3
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    return path


def test_a_module_that_gives_one_map(code: Path) -> None:
    backbone = BACKBONE.open(f"{code}:Net", None)
    assert isinstance(backbone, Backbone)
    images = noise(2, 32)
    features = backbone.features(images)
    by_hand = 0.01 * ((images - 0.5) / 0.25).reshape(2, 3, 4, 8, 4, 8).sum(dim=(1, 3, 5))  # all weights are 0.01
    for d in range(4):
        torch.testing.assert_close(features.maps[0][:, d], by_hand)
    torch.testing.assert_close(features.pooled[:, 0], by_hand.mean((1, 2)))
    record = backbone.record
    assert (record.weights, record.name, record.parameters) == ("module", "Net", 4 * 3 * 64)
    assert record.sha256
    assert record.spec == f"module:{code}:Net"


def test_a_module_that_gives_several_maps(code: Path) -> None:
    backbone = BACKBONE.open(f"{code}:Pyramid", 64)
    assert [tuple(m.shape) for m in backbone.features(noise(1, 64)).maps] == [(1, 4, 8, 8), (1, 4, 4, 4)]
    assert backbone.record.details["own_input_size"] == 32


def test_a_model_with_intermediates_is_read_as_timm_reads_it(code: Path) -> None:
    backbone = BACKBONE.open(f"{code}:timm_model", 64)
    assert len(backbone.features(noise(1, 64)).maps) == 4


def test_a_ready_backbone_is_used_as_it_is(code: Path) -> None:
    assert BACKBONE.open(f"{code}:own", None).record.spec == "pixels"
    with pytest.raises(UsageError, match="takes an input of 64 pixels, not of 32"):
        BACKBONE.open(f"{code}:own", 32)


def test_an_import_path(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(code.parent)
    assert BACKBONE.open("mine:Net", None).input_size == 32


@pytest.mark.parametrize(
    ("factory", "found"),
    [
        ("Mute", "does not say its std"),
        ("Crooked", "three positive stds"),
        ("Flat", r"no spatial features: wanted maps \(N, D, h, w\), got \[\(1, 4\)\]"),
        ("number", "made a int"),
        ("broken", r"broken\(\) failed: ValueError\('no weights"),
        ("needs", r"needs\(\) failed: TypeError"),
        ("constant", "has no function 'constant'"),
        ("absent", "has no function 'absent'"),
    ],
)
def test_what_is_wrong_with_the_users_code_is_one_line(code: Path, factory: str, found: str) -> None:
    with pytest.raises(FacebenchError, match=found) as error:
        BACKBONE.open(f"{code}:{factory}", None)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        ("nowhere_at_all:f", "No module named 'nowhere_at_all'; a file is named with its path"),
        ("nowhere.py:f", r"file nowhere\.py does not exist"),
        ("json", "names no factory"),
        ("json:", "names no factory"),
        (":f", "names no factory"),
        ("json:a b", "names no factory"),
    ],
)
def test_a_wrong_spelling(rest: str, found: str) -> None:
    with pytest.raises(UsageError, match=found):
        BACKBONE.open(rest, None)


def test_a_file_that_does_not_import_says_why(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(FacebenchError, match="does not import: ZeroDivisionError"):
        BACKBONE.open(f"{tmp_path / 'bad.py'}:f", None)


def test_only_opening_runs_the_code(code: Path) -> None:
    from facebench.record import BackboneRecord

    ran = code.with_suffix(".ran")
    spec = f"module:{code}:Net"
    read = BackboneRecord.model_validate_json(
        BackboneRecord(
            spec=spec, name="x", weights="module", sha256=None, parameters=0, input_size=32
        ).model_dump_json()
    )
    assert read.spec == spec
    assert not ran.exists()
    BACKBONE.open(f"{code}:Net", None)
    assert ran.exists()
