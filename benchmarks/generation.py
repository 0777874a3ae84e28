"""How long a project takes to generate, against an empty template of as many files.

python benchmarks/generation.py [--rounds N] [--json FILE] [PEER …]

PEER: folders of other templates, of Copier or Cookiecutter, that need no answers. Their own code
runs (--trust, hooks). Each round renders each template once, in turn; the figures are medians, and
ratios to the empty template.
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

from projects import CACHE, export, uv


def empty_template(folder: Path, files: int) -> Path:
    """A template with one question and `files` empty files in folders of ten."""
    (folder / "template").mkdir(parents=True)
    (folder / "copier.yml").write_text("_subdirectory: template\nname: {type: str, default: x}\n")
    for number in range(files):
        path = folder / "template" / f"folder{number // 10}" / f"file{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return folder


def command(template: Path, destination: Path, *options: str) -> list[str | Path]:
    """How a person makes a project of a template, with the defaults for all answers."""
    if (template / "cookiecutter.json").exists():
        tool = cookiecutter()
        return [tool, "--no-input", "--output-dir", destination, *options, template]
    copy = [sys.executable, "-m", "copier", "copy", "--defaults", "--quiet"]
    return [*copy, *options, template, destination]


def cookiecutter() -> Path:
    """The program, in an environment of its own."""
    place = CACHE / "environments" / "cookiecutter"
    if not (place / "bin" / "cookiecutter").exists():
        subprocess.run([uv(), "venv", "--quiet", "--python", sys.executable, place], check=True)
        subprocess.run(
            [uv(), "pip", "install", "--quiet", "--compile-bytecode",
             "--python", place / "bin" / "python", "cookiecutter"], check=True,
        )  # fmt: skip
    return place / "bin" / "cookiecutter"


def seconds(arguments: list[str | Path], destination: Path) -> float:
    """Wall seconds of one run, into a folder that is not there."""
    shutil.rmtree(destination, ignore_errors=True)
    begin = time.perf_counter()
    result = subprocess.run(arguments, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {result.stderr or result.stdout}")
    return time.perf_counter() - begin


def measure(rounds: int, peers: list[Path]) -> dict[str, float]:
    """Median seconds of each template."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours, made = export(folder / "ours"), folder / "made"
        seconds(command(ours, made), made)
        files = sum(path.is_file() for path in made.rglob("*"))
        empty = empty_template(folder / "empty", files)
        runs = {"empty template": command(empty, made), "Groundwork": command(ours, made)}
        for peer in peers:
            trust = [] if (peer / "cookiecutter.json").exists() else ["--trust"]
            runs[peer.resolve().name] = command(peer, made, *trust)
        times: dict[str, list[float]] = {label: [] for label in runs}
        for _ in range(rounds):
            for label, arguments in runs.items():
                times[label].append(seconds(arguments, made))
    return {label: round(statistics.median(values), 3) for label, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peers", nargs="*", type=Path, metavar="PEER")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    medians = measure(options.rounds, options.peers)
    print("\nMaking a project")
    for label, value in medians.items():
        print(f"  {label:28} {value:7.2f} s {value / medians['empty template']:7.2f} x")
    if options.json:
        options.json.write_text(json.dumps(medians, indent=2))


if __name__ == "__main__":
    main()
