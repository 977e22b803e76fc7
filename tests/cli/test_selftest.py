"""`facebench selftest`: a table on stdout, exit 1 where a metric is wrong, a backbone's promises on demand."""

from __future__ import annotations

import json

import pytest

from facebench.cli import execute
from facebench.selftest import run as selftest_run
from facebench.selftest.check import Check

RIGHT = Check("nme-ioc", 24, 3e-14, 1e-9, "wflw, moved")
WRONG = Check("f1", 8, 0.5, 1e-9, "lapa, hair, moved by (1, 0)")


@pytest.fixture
def found(monkeypatch):
    checks = [RIGHT]
    monkeypatch.setattr(selftest_run, "run_checks", lambda on_part: checks)
    return checks


def test_a_sound_installation(found, capsys):
    assert execute(["selftest"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[1].split() == ["nme-ioc", "24", "3.0e-14", "1e-09", "ok"]
    assert "1 metrics, 0 wrong" in printed.err


def test_a_wrong_metric_is_named_and_exits_1(found, capsys):
    found.append(WRONG)
    assert execute(["selftest"]) == 1
    printed = capsys.readouterr()
    assert "WRONG: lapa, hair, moved by (1, 0)" in printed.out
    assert "facebench: 1 of 2 metrics are wrong; f1 is off by 0.5 (lapa, hair, moved by (1, 0)), 1e-09" in printed.err


def test_json_holds_no_infinity(found, capsys):
    found.append(Check("f1", 8, float("inf"), 1e-9, "x"))
    assert execute(["selftest", "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["ok"] is False
    assert shown["checks"][0] == {
        "metric": "nme-ioc", "cases": 24, "error": 3e-14, "tolerance": 1e-9, "worst": "wflw, moved", "ok": True
    }  # fmt: skip
    assert shown["checks"][1]["error"] is None


def test_a_backbone_is_held_to_its_promises(found, capsys, tmp_path):
    pytest.importorskip("torch", reason="backbones need torch")
    assert execute(["selftest", "-b", "pixels"]) == 0
    assert "backbone pixels: keeps every promise" in capsys.readouterr().err


def test_a_backbone_that_breaks_one_exits_1(found, capsys, monkeypatch):
    pytest.importorskip("torch", reason="backbones need torch")
    from facebench import testing

    def broken(backbone):
        raise AssertionError("maps are not from shallow to deep")

    monkeypatch.setattr(testing, "check_backbone", broken)
    assert execute(["selftest", "-b", "pixels"]) == 1
    assert "backbone pixels does not keep its promises: maps are not" in capsys.readouterr().err


def test_an_unknown_backbone_is_a_usage_error(found, capsys):
    pytest.importorskip("torch", reason="backbones need torch")
    assert execute(["selftest", "-b", "pixles"]) == 2
    assert "did you mean" in capsys.readouterr().err
