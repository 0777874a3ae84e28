"""Every figure of this folder, one after the other, and what they were measured with.

python benchmarks/all.py [--small] [--json FILE] [PEER …]

PEER: folders of other templates, for the time that making a project takes. --small: few files and
one round, to see that everything runs; its figures say nothing. `--json docs/performance.json` and
`make docs` bring docs/performance.md up to date; that takes an idle machine, and half an hour.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from projects import CACHE, environment, uv

FOLDER = Path(__file__).resolve().parent
SMALL = {
    "generation": ["--rounds", "1"],
    "project": [],
    "static": ["--files", "20", "--latency", "0.001", "--seconds", "1"],
    "media": ["--files", "20", "--rounds", "1"],
    "app_server": ["--seconds", "1"],
}
NAMED = (
    "django", "whitenoise", "django-storages", "boto3", "gunicorn", "brotli", "granian",
    "collectfasta", "awscli",
)  # fmt: skip


def measured_with(load: float) -> dict[str, Any]:
    """The day, the machine and the versions of what is compared."""
    installed = json.loads(
        subprocess.run(
            [uv(), "pip", "list", "--format", "json", "--python", environment() / "bin" / "python"],
            check=True, capture_output=True, text=True,
        ).stdout
    )  # fmt: skip
    found = {package["name"].lower(): package["version"] for package in installed}
    for place in CACHE.glob("**/*.dist-info"):
        name, _, number = place.name.removesuffix(".dist-info").partition("-")
        found.setdefault(name.lower().replace("_", "-"), number)
    processor = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return {
        "date": datetime.date.today().isoformat(),
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "processor": processor[1] if processor else platform.machine(),
            "cores": os.cpu_count(),
            "load before": load,
        },
        "versions": {
            "python": version_of(environment() / "bin" / "python"),
            "copier": version("copier"),
            **{name: found[name] for name in NAMED if name in found},
        },
    }


def version_of(python: Path) -> str:
    said = subprocess.run([python, "--version"], check=True, capture_output=True, text=True)
    return said.stdout.split()[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peers", nargs="*", type=Path, metavar="PEER")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    load = round(os.getloadavg()[0], 1)
    results: dict[str, Any] = {}
    for name, small in SMALL.items():
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            command = [sys.executable, FOLDER / f"{name}.py", "--json", file.name]
            command += small if options.small else []
            command += options.peers if name == "generation" else []
            if subprocess.run(command).returncode:
                sys.exit(f"benchmarks/{name}.py failed: what it said is above.")
            results[name] = json.loads(Path(file.name).read_text())
    about = measured_with(load)
    print("\nMeasured with")
    for kind in ("machine", "versions"):
        print(f"  {', '.join(f'{name} {value}' for name, value in about[kind].items())}")
    if options.json:
        options.json.write_text(json.dumps({**about, **results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
