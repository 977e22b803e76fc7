"""The snippets of docs/gate.md, played step by step in a shell, with a facebench that finds its run already made."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from facebench.cli import execute
from tests.verdicts.made import made, noisy

PAGE = Path(__file__).parents[2] / "docs" / "gate.md"
SHIM = """#!/usr/bin/env bash
# pip installs nothing, `facebench run` copies a result that was made before, everything else is the real thing
if [ "$(basename "$0")" = pip ]; then exit 0; fi
if [ "$1" = run ]; then mkdir -p runs && cp -r "$READY" "${@: -1}"; exit; fi
exec "$PYTHON" -m facebench "$@"
"""


def _snippet(kind: str) -> dict:
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"<!-- played: {kind} -->\n\n```yaml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return yaml.safe_load(found[1])


def _scripts(kind: str) -> list[str]:
    tree = _snippet(kind)
    if kind == "gitlab":
        return tree["gate"]["script"]
    return [step["run"] for step in tree["jobs"]["gate"]["steps"] if "run" in step]


def _play(tmp_path: Path, kind: str, worse: float) -> tuple[int, Path]:
    """Exit code of the first step that fails, or 0; and the folder it was played in."""
    work, tools = tmp_path / "work", tmp_path / "tools"
    work.mkdir()
    tools.mkdir()
    for name in ("pip", "facebench"):
        (tools / name).write_text(SHIM)
        (tools / name).chmod(0o755)
    errors = noisy(100)
    base = made(tmp_path / "base", errors)
    assert execute(["pin", str(base), "-o", str(work / "baseline.pinned.zip")]) == 0
    ready = made(tmp_path / "ready", errors + worse, subject="new")
    (work / "gate.toml").write_text("[default]\nabsolute = 0.1\n")
    paths = os.pathsep.join(path for path in sys.path if path)
    env = os.environ | {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHON": sys.executable, "READY": str(ready),
        "PYTHONPATH": paths, "GITHUB_STEP_SUMMARY": str(work / "summary.md"), "FACES": str(tmp_path),
    }  # fmt: skip
    for script in _scripts(kind):
        done = subprocess.run(["bash", "-e", "-c", script], cwd=work, env=env, capture_output=True, text=True)
        if done.returncode:
            return done.returncode, work
    return 0, work


@pytest.mark.parametrize("kind", ["github", "gitlab"])
@pytest.mark.parametrize(("worse", "code"), [(0.0, 0), (0.005, 4)])
def test_the_steps_end_as_they_should(tmp_path, kind, worse, code):
    found, work = _play(tmp_path, kind, worse)
    assert found == code
    assert (work / "gate.xml").read_text().count("<failure") == (1 if code else 0)
    if kind == "github":
        assert ("does not pass" if code else "passes") in (work / "summary.md").read_text()
