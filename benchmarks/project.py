"""From nothing to the first page, and how long a project's own check and tests take.

python benchmarks/project.py [--json FILE]

Cold is with an empty cache of uv, so it depends on the network; warm is the same once more.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from projects import export, find_python, free_port, stop, uv


def seconds_of(command: list[str | Path], folder: Path, variables: dict[str, str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True)
    return round(time.perf_counter() - begin, 2)


def first_page(template: Path, place: Path, variables: dict[str, str]) -> dict[str, float]:
    """Seconds of each step from `copier copy` to the first answer."""
    steps = {
        "copy": seconds_of(
            [sys.executable, "-m", "copier", "copy", "--defaults", "--quiet", template, place],
            place.parent, variables,
        ),
        "install": seconds_of([uv(), "sync"], place, variables),
        "migrate": seconds_of([uv(), "run", "manage.py", "migrate"], place, variables),
    }  # fmt: skip
    port = free_port()
    begin = time.perf_counter()
    command = [uv(), "run", "manage.py", "runserver", "--noreload", str(port)]
    process = subprocess.Popen(
        command, cwd=place, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/").close()
                break
            time.sleep(0.02)
    finally:
        steps["first answer"] = round(time.perf_counter() - begin, 2)
        stop(process)
    return steps


def measure() -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        template = export(folder / "template")
        variables = {
            **os.environ, "UV_CACHE_DIR": f"{folder / 'cache'}",
            "UV_PYTHON": f"{find_python('3.13')}",
        }  # fmt: skip
        variables.pop("VIRTUAL_ENV", None)
        figures = {
            "cold": first_page(template, folder / "cold", variables),
            "warm": first_page(template, folder / "warm", variables),
        }
        python = folder / "warm" / ".venv" / "bin" / "python"
        figures["own"] = {
            "check": seconds_of([python, "manage.py", "check"], folder / "warm", variables),
            "tests": seconds_of([python, "-m", "pytest", "-q"], folder / "warm", variables),
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure()
    print("\nFrom nothing to the first page, and the project's own check and tests")
    for label, steps in figures.items():
        shown = "   ".join(f"{step}: {value:.1f} s" for step, value in steps.items())
        print(f"  {label:6} {sum(steps.values()):6.1f} s   {shown}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
