"""gate: its truth table, every way to fail with its exit code, and the margins by hand."""

from __future__ import annotations

import json
import shutil
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest

from facebench.cli import execute
from facebench.errors import GateBreached, NotComparable, UsageError
from facebench.registry import Registry
from facebench.verdicts.gate import assert_not_worse, judge, read_baseline
from facebench.verdicts.rows import read_rows
from facebench.verdicts.rules import Margin, Rules, read_rules
from tests.verdicts.made import made, noisy

KEY = "wflw/test/all/nme-ioc"
ERRORS = noisy(200)
ABSOLUTE = "[default]\nabsolute = 0.10\n"


def shifted(worse: float, spread: float) -> np.ndarray:
    """Errors whose change from ERRORS has mean `worse` percent exactly, and about `spread` percent around it."""
    change = np.random.default_rng(5).normal(0, spread, size=len(ERRORS))
    return ERRORS + (worse + change - change.mean()) / 100


def gate(tmp_path, *words, rules=ABSOLUTE):
    (tmp_path / "gate.toml").write_text(rules)
    return execute(["gate", *map(str, words), "--rules", str(tmp_path / "gate.toml")])


@pytest.fixture
def base(tmp_path):
    return made(tmp_path / "base", ERRORS)


# change for the worse, spread of the change, outcome at a margin of 0.10 percent (half interval 0.139 * spread)
TABLE = [
    (0.0, 0.0, "pass"),
    (-1.0, 0.1, "pass"),
    (0.05, 0.1, "pass"),
    (0.09, 0.01, "pass"),
    (0.11, 0.01, "breach"),
    (0.3, 0.1, "breach"),
    (5.0, 1.0, "breach"),
    (0.10, 0.3, "inconclusive"),
    (0.09, 0.5, "inconclusive"),
    (0.12, 0.5, "inconclusive"),
    (-0.1, 3.0, "inconclusive"),
    (0.5, 5.0, "inconclusive"),
]


@pytest.mark.parametrize(("worse", "spread", "outcome"), TABLE)
@pytest.mark.parametrize("allow", [False, True])
def test_truth_table(tmp_path, base, capsys, worse, spread, outcome, allow):
    candidate = made(tmp_path / "new", shifted(worse, spread), subject="new")
    words = ["--allow-inconclusive"] if allow else []
    code = gate(tmp_path, candidate, "--baseline", base, "--json", *words)
    check = json.loads(capsys.readouterr().out)["checks"][0]
    assert check["outcome"] == outcome
    assert check["worse_by"] == pytest.approx(worse, abs=1e-9)
    stops = outcome == "breach" or (outcome == "inconclusive" and not allow)
    assert code == (4 if stops else 0)


def test_higher_is_better_turns_the_sign(tmp_path, base, capsys):
    rules = '[default]\nabsolute = 100\n[score."wflw/test/all/auc10-ioc"]\nabsolute = 0.01\n'
    candidate = made(tmp_path / "new", shifted(1.0, 0.01), subject="new")
    assert gate(tmp_path, candidate, "--baseline", base, "--json", rules=rules) == 4
    checks = {c["key"]: c for c in json.loads(capsys.readouterr().out)["checks"]}
    auc = checks["wflw/test/all/auc10-ioc"]
    assert auc["outcome"] == "breach"
    assert auc["worse_by"] == pytest.approx(0.1, rel=0.02)  # one percent of an error, over a threshold of ten
    assert checks[KEY]["outcome"] == "pass"


def test_the_number_of_samples_that_would_decide(tmp_path, base, capsys):
    candidate = made(tmp_path / "new", shifted(0.0, 2.0), subject="new")
    gate(tmp_path, candidate, "--baseline", base, "--json")
    check = json.loads(capsys.readouterr().out)["checks"][0]
    half = check["interval"][1]  # about no change
    assert check["needed"] == pytest.approx(200 * (half / 0.10) ** 2, abs=1.5)
    many = np.tile(ERRORS, 1 + check["needed"] // 200)
    more = np.tile(shifted(0.0, 2.0), 1 + check["needed"] // 200)
    a, b = made(tmp_path / "a", many), made(tmp_path / "b", more)
    report = judge(read_rows(str(a)), read_rows(str(b)), Rules(default=Margin(absolute=0.10)), Registry())
    assert report.checks[0].high == pytest.approx(0.10, rel=0.08)


def test_relative_margin(tmp_path, base):
    value = 100 * ERRORS.mean()
    just = made(tmp_path / "just", shifted(0.019 * value, 0.001))
    over = made(tmp_path / "over", shifted(0.021 * value, 0.001))
    rules = "[default]\nrelative = 0.02\n"
    assert gate(tmp_path, just, "--baseline", base, rules=rules) == 0
    assert gate(tmp_path, over, "--baseline", base, rules=rules) == 4


def test_seed_noise_margin(tmp_path, base):
    others = [made(tmp_path / f"s{i}", ERRORS + shift, seed=i) for i, shift in ((1, 0.001), (2, 0.002))]
    rules = "[default]\nseed_noise = 2\n"  # deviation over 0, 0.1, 0.2 percent: 0.1; the mean is 0.1 up
    baseline = [word for path in (base, *others) for word in ("--baseline", path)]
    inside, outside = (made(tmp_path / name, ERRORS + 0.001 + w) for name, w in (("in", 0.0019), ("out", 0.0021)))
    assert gate(tmp_path, inside, *baseline, rules=rules) == 0
    assert gate(tmp_path, outside, *baseline, rules=rules) == 4
    assert gate(tmp_path, inside, "--baseline", base, rules=rules) == 2  # one seed has no noise


def test_every_headline_score_has_to_pass(tmp_path, base):
    slices = '[default]\nabsolute = 1\n[score."wflw/test/yaw=profile/nme-ioc"]\nabsolute = 0.1\n'
    changed = ERRORS + np.where(np.arange(200) % 2 == 0, 0.003, 0.0)
    assert gate(tmp_path, made(tmp_path / "new", changed), "--baseline", base, rules=slices) == 4
    assert gate(tmp_path, tmp_path / "new", "--baseline", base, rules="[default]\nabsolute = 1\n") == 0


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("", "no margin is given"),
        ("allow_inconclusive = true", "no margin is given"),
        ("[default]\n", "exactly one"),
        ("[default]\nabsolute = 1\nrelative = 1", "one of absolute, relative and seed_noise"),
        ("[default]\nabsolute = -1", "greater than or equal to 0"),
        ("[default]\nabsolute = inf", "finite"),
        ("[default]\nabsolut = 1", "Extra inputs"),
        ("[default\n", "no TOML"),
        ('[score."wflw/test/al/nme-ioc"]\nabsolute = 1', "wflw/test/all/nme-ioc"),
        ('[score."wflw/test/all/auc10-ioc"]\nabsolute = 1', "has no margin"),
    ],
)
def test_rules_that_make_no_sense_are_exit_2(tmp_path, base, capsys, rules, said):
    assert gate(tmp_path, base, "--baseline", base, rules=rules) == 2
    assert said.replace("exactly one", "one of absolute") in capsys.readouterr().err


def test_missing_rules_are_exit_2(tmp_path, base):
    assert execute(["gate", str(base), "--baseline", str(base), "--rules", str(tmp_path / "none.toml")]) == 2


def _no_baseline(tmp_path, base):
    shutil.rmtree(base)
    return base


def _torn_record(tmp_path, base):
    (base / "result.json").write_text("{")
    return base


def _no_statistics(tmp_path, base):
    (base / "samples.parquet").unlink()
    return base


def _changed_statistics(tmp_path, base):
    other = made(tmp_path / "other", ERRORS * 2)
    shutil.copy(other / "samples.parquet", base / "samples.parquet")
    return base


def _torn_archive(tmp_path, base):
    path = tmp_path / "base.pinned.zip"
    path.write_bytes(b"PK\x03\x04 torn")
    return path


def _other_signature(tmp_path, base):
    return made(tmp_path / "signature", ERRORS, fields={"box": "whole*1"})


def _other_revision(tmp_path, base):
    return made(tmp_path / "revision", ERRORS, fields={"data": "000000"})


def _more_samples(tmp_path, base):
    return made(tmp_path / "more", noisy(201))


def _other_benchmark_too(tmp_path, base):
    path = tmp_path / "runs"
    shutil.copytree(base, path / "a")
    text = (base / "result.json").read_text().replace('"split": "test"', '"split": "val"')
    shutil.copytree(base, path / "b")
    (path / "b" / "result.json").write_text(text)
    return path


FAILURES = [
    _no_baseline, _torn_record, _no_statistics, _changed_statistics, _torn_archive, _other_signature, _other_revision,
    _more_samples, _other_benchmark_too,
]  # fmt: skip


@pytest.mark.parametrize("fail", FAILURES, ids=lambda f: f.__name__.strip("_"))
@pytest.mark.parametrize("allow", [False, True])
def test_it_fails_closed_with_exit_5(tmp_path, base, capsys, fail, allow):
    candidate = made(tmp_path / "new", ERRORS)
    baseline = fail(tmp_path, base)
    junit, summary = tmp_path / "junit.xml", tmp_path / "summary.md"
    words = ["--allow-inconclusive"] if allow else []
    code = gate(tmp_path, candidate, "--baseline", baseline, "--junit", junit, "--summary", summary, *words)
    assert code == 5
    suite = ElementTree.fromstring(junit.read_text())
    assert suite.get("errors") == "1"
    assert "could not judge" in summary.read_text()
    assert capsys.readouterr().out == ""


def test_a_candidate_that_is_not_there_is_exit_3(tmp_path, base):
    assert gate(tmp_path, tmp_path / "none", "--baseline", base) == 3


def test_a_pinned_baseline_is_the_same_baseline(tmp_path, base, capsys):
    pinned = tmp_path / "base.pinned.zip"
    candidate = made(tmp_path / "new", shifted(0.05, 0.2))
    assert execute(["pin", str(base), "-o", str(pinned)]) == 0
    first = pinned.read_bytes()
    assert execute(["pin", str(base), "-o", str(pinned)]) == 0
    assert pinned.read_bytes() == first
    capsys.readouterr()
    found = []
    for baseline in (base, pinned):
        assert gate(tmp_path, candidate, "--baseline", baseline, "--json") == 0
        found.append(capsys.readouterr().out)
    assert found[0] == found[1]
    assert execute(["pin", str(base), "-o", str(tmp_path / "base.json")]) == 2


def test_an_archive_cannot_write_outside(tmp_path, base):
    path = tmp_path / "evil.pinned.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../evil.txt", "x")
    with pytest.raises(NotComparable):
        read_baseline([str(path)])
    assert not list(tmp_path.parent.rglob("evil.txt"))


def test_junit_and_summary(tmp_path, base):
    junit, summary = tmp_path / "junit.xml", tmp_path / "summary.md"
    candidate = made(tmp_path / "new", shifted(0.5, 0.1), subject="new|model")
    assert gate(tmp_path, candidate, "--baseline", base, "--junit", junit, "--summary", summary) == 4
    suite = ElementTree.fromstring(junit.read_text())
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    case = suite.find("testcase")
    assert case is not None
    assert case.get("name") == KEY
    assert "breach" in summary.read_text()
    assert r"new\|model" in summary.read_text()


def test_the_helper_for_tests(tmp_path, base):
    rules = tmp_path / "gate.toml"
    rules.write_text(ABSOLUTE)
    assert_not_worse(base, base, rules)
    assert_not_worse(str(base), str(base), Rules(default=Margin(absolute=0)))
    worse = made(tmp_path / "worse", shifted(1.0, 0.1))
    with pytest.raises(AssertionError, match=KEY):
        assert_not_worse(worse, base, rules)
    with pytest.raises(NotComparable):
        assert_not_worse(worse, tmp_path / "none", rules)


def test_rules_as_data(tmp_path):
    path = tmp_path / "gate.toml"
    path.write_text('allow_inconclusive = true\n[default]\nrelative = 0.02\n[score."a/b/c/d"]\nabsolute = 0.1\n')
    rules = read_rules(path)
    assert rules.allow_inconclusive
    assert str(rules.default) == "0.02 of the baseline"
    assert str(rules.score["a/b/c/d"]) == "0.1"
    with pytest.raises(UsageError):
        read_rules(tmp_path)
    assert issubclass(GateBreached, Exception)
