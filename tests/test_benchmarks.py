"""The benchmarks run, all of them, by the one command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import performance
from projects import REPOSITORY


def test_one_command_measures_everything_and_keeps_it(tmp_path: Path) -> None:
    peer = tmp_path / "peer"
    peer.mkdir()
    (peer / "copier.yml").write_text("name: {type: str, default: x}\n")
    (peer / "readme.txt.jinja").write_text("{{ name }}\n")
    command = [sys.executable, REPOSITORY / "benchmarks" / "all.py", "--small"]
    command += ["--json", tmp_path / "figures.json", peer]
    result = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stdout + result.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {"empty template", "Groundwork", "peer"} == figures["generation"].keys()
    for name in ("date", "machine", "versions"):
        assert figures[name]
    assert "peer" in result.stdout
    written = performance.performance(figures)
    assert "Groundwork" in written
    performance.charts(figures, tmp_path)
    assert len(list(tmp_path.glob("performance-*.svg"))) == 6
