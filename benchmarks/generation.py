"""How long a project takes to generate, against an empty template of as many files.

python benchmarks/generation.py [--rounds N] [--json FILE] [PEER …]

PEER: folders of other Copier templates that take --defaults. Each round renders each template once,
in turn; the figures are medians, and ratios to the empty template.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from projects import export


def empty_template(folder: Path, files: int) -> Path:
    """A template with one question and `files` empty files in folders of ten."""
    (folder / "template").mkdir(parents=True)
    (folder / "copier.yml").write_text("_subdirectory: template\nname: {type: str, default: x}\n")
    for number in range(files):
        path = folder / "template" / f"folder{number // 10}" / f"file{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return folder


def seconds(template: Path, destination: Path) -> float:
    """Wall seconds of one `copier copy --defaults`, as a person runs it."""
    shutil.rmtree(destination, ignore_errors=True)
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "copier", "copy", "--defaults", "--quiet", template, destination],
        check=True, capture_output=True,
    )  # fmt: skip
    return time.perf_counter() - begin


def measure(rounds: int, peers: list[Path]) -> dict[str, float]:
    """Median seconds of each template."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = export(folder / "ours")
        seconds(ours, folder / "made")
        files = sum(path.is_file() for path in (folder / "made").rglob("*"))
        templates = {
            "empty template": empty_template(folder / "empty", files),
            "Groundwork": ours,
            **{peer.name: peer for peer in peers},
        }
        times: dict[str, list[float]] = {label: [] for label in templates}
        for _ in range(rounds):
            for label, template in templates.items():
                times[label].append(seconds(template, folder / "made"))
    return {label: statistics.median(values) for label, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    medians = measure(options.rounds, options.peers)
    for label, value in medians.items():
        print(f"{label:20} {value:6.2f} s   {value / medians['empty template']:5.2f} x")
    if options.json:
        options.json.write_text(json.dumps(medians, indent=2))


if __name__ == "__main__":
    main()
