"""`manage.py copy_media` against `aws s3 sync`: the same files, the same server, in turns.

python benchmarks/media.py [--files 2000] [--rounds 3] [--json FILE]

The server is that of the tests, so both share this machine with it. What counts is the ratio of
two times taken directly after each other; the median of the rounds is shown. Of each work, the
first run copies everything and the second finds everything there. `copy_media` compares hashes;
`aws s3 sync` compares sizes and times.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import projects
from s3_server import S3Server

SETTINGS = """
from .development import *
from .media import production_storages

STORAGES = {
    **STORAGES,
    "bucket": production_storages["default"],
    "second": production_storages["private"],
}
"""


NAMES = ("copy_media", "aws s3 sync")
WORKS = (("local", "bucket"), ("bucket", "second"), ("bucket", "back"))


@dataclass
class Tool:
    """One of the two programs: how it copies between `local`, `bucket`, `second` and `back`."""

    name: str
    command: list[str]
    places: dict[str, str]
    folder: Path
    environment: dict[str, str]

    def copy(self, source: str, target: str) -> tuple[float, float, int]:
        """Seconds, seconds of the processor, and the peak of memory in megabytes."""
        arguments = [self.places[source], self.places[target]]
        if self.name == "copy_media":
            arguments = ["--from", arguments[0], "--to", arguments[1]]
        started = time.monotonic()
        process = subprocess.Popen(
            [*self.command, *arguments], cwd=self.folder, env=self.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        if status:
            raise RuntimeError(f"{self.name} {source} {target}: {process.stderr.read().decode()}")
        process.stderr.close()
        process.returncode = 0
        return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def aws_command() -> Path:
    """The AWS command line, in an environment of its own: it pins what others need newer."""
    place = projects.CACHE / "environments" / "awscli"
    if not (place / "bin" / "aws").exists():
        python = projects.find_python("3.13")
        subprocess.run([projects.uv(), "venv", "--quiet", "--python", python, place], check=True)
        install = [projects.uv(), "pip", "install", "--quiet", "--compile-bytecode"]
        subprocess.run([*install, "--python", place / "bin" / "python", "awscli"], check=True)
    return place / "bin" / "aws"


def make_files(folder: Path, count: int) -> int:
    """Uploads as sites have them: most small, a few large. Returns their bytes."""
    chance = random.Random(1)
    total = 0
    for number in range(count):
        size = int(min(chance.lognormvariate(9.5, 1.2), 3_000_000))
        path = folder / f"photos/2025/{number % 12:02}/{number:06} é+.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(size))
        total += size
    return total


def measure(files: int, rounds: int) -> dict[str, Any]:
    """Of each work and tool: seconds and seconds of the processor of each round, in order."""
    with tempfile.TemporaryDirectory() as scratch, S3Server() as s3:
        here = Path(scratch)
        size = make_files(here / "local", files)
        ours, theirs = tools(here, s3)
        works: dict[str, dict[str, list[tuple[float, float]]]] = {}
        memory: dict[str, int] = {}
        for number in range(rounds):
            for tool in (ours, theirs) if number % 2 else (theirs, ours):
                s3.reset()
                s3.make_bucket("media")
                s3.make_bucket("private")
                shutil.rmtree(ours.folder / ".copy_media", ignore_errors=True)
                shutil.rmtree(here / "back", ignore_errors=True)
                for source, target in WORKS:
                    for run in ("first", "again"):
                        *seconds, megabytes = tool.copy(source, target)
                        both = works.setdefault(f"{source} to {target}, {run}", {})
                        both.setdefault(tool.name, []).append(tuple(seconds))
                        memory[tool.name] = max(memory.get(tool.name, 0), megabytes)
    return {
        "files": files, "megabytes": round(size / 1e6), "rounds": rounds, "memory, MB": memory,
        "works": {name: compared(both) for name, both in works.items()},
    }  # fmt: skip


def tools(here: Path, s3: S3Server) -> tuple[Tool, Tool]:
    """Both, set up to copy the same files to and from the same server."""
    project = projects.render(
        projects.export(here / "template"), here / "project",
        media_storage="s3", private_media=True, object_store="other",
    )  # fmt: skip
    (project / "config/settings/copying.py").write_text(SETTINGS)
    environment = {
        "PATH": os.environ["PATH"], "HOME": f"{here}", "LANG": "C.UTF-8", **s3.environment(),
        "MEDIA_BUCKET": "media", "PRIVATE_BUCKET": "private",
        "DJANGO_SETTINGS_MODULE": "config.settings.copying",
    }  # fmt: skip
    python = str(projects.environment() / "bin" / "python")
    places = {"local": str(here / "local"), "back": str(here / "back")}
    ours = Tool(
        "copy_media", [python, "manage.py", "copy_media"],
        {**places, "bucket": "bucket", "second": "second"}, project, environment,
    )  # fmt: skip
    theirs = Tool(
        "aws s3 sync", [str(aws_command()), "s3", "sync", "--quiet"],
        {**places, "bucket": "s3://media/media", "second": "s3://private/private"},
        here, environment,
    )  # fmt: skip
    return ours, theirs


def compared(both: dict[str, list[tuple[float, float]]]) -> dict[str, dict[str, float]]:
    """Medians of the rounds, in wall seconds and of the processor; ratios above 1: ours is less."""
    result = {}
    for kind, place in (("seconds", 0), ("of processor", 1)):
        mine, other = ([taken[place] for taken in both[name]] for name in NAMES)
        ratio = statistics.median(o / m for m, o in zip(mine, other, strict=True))
        medians = zip(NAMES, map(statistics.median, (mine, other)), strict=True)
        result[kind] = {**{name: round(value, 2) for name, value in medians},
                        "ratio": round(ratio, 2)}  # fmt: skip
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(options.files, options.rounds)
    print("\nCopying {files:,} files of {megabytes} MB in all, {rounds} rounds".format(**figures))
    print(f"{'':26}{'seconds':^28}{'of processor':^28}")
    print(f"{'':26}" + 2 * f"{'copy_media':>10}{'aws':>8}{'ratio':>8}  ")
    for name, kinds in figures["works"].items():
        cells = "".join(
            "{copy_media:10.2f}{aws s3 sync:8.2f}{ratio:8.2f}  ".format(**kind)
            for kind in kinds.values()
        )
        print(f"  {name:24}{cells}")
    memory = ", ".join(f"{name} {size} MB" for name, size in figures["memory, MB"].items())
    print(f"  Peak memory: {memory}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
