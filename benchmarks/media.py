"""`manage.py copy_media` against `aws s3 sync`: the same files, the same server, in turns.

    python benchmarks/media.py [--files 2000] [--rounds 3]

The server is that of the tests, so both share this machine with it. What counts is the ratio of
two times taken directly after each other; the median of the rounds is shown. Of each work, the
first run copies everything and the second finds everything there. `copy_media` compares hashes;
`aws s3 sync` compares sizes and times.
"""

from __future__ import annotations

import argparse
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

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

import projects  # noqa: E402
from s3_server import S3Server  # noqa: E402

SETTINGS = """
from .development import *
from .media import production_storages

STORAGES = {
    **STORAGES,
    "bucket": production_storages["default"],
    "second": production_storages["private"],
}
"""


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
    place = REPOSITORY / ".cache" / "environments" / "awscli"
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, S3Server() as s3:
        here = Path(scratch)
        size = make_files(here / "local", options.files)
        project = here / "project"
        projects.render(
            projects.export(here / "template"), project,
            media_storage="s3", private_media=True, object_store="other",
        )  # fmt: skip
        (project / "config/settings/copying.py").write_text(SETTINGS)
        environment = {
            "PATH": os.environ["PATH"], "HOME": scratch, "LANG": "C.UTF-8", **s3.environment(),
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
        works = [("local", "bucket"), ("bucket", "second"), ("bucket", "back")]
        times: dict[tuple[str, str, str], dict[str, list[tuple[float, float]]]] = {}
        memory: dict[str, int] = {}
        for number in range(options.rounds):
            for tool in (ours, theirs) if number % 2 else (theirs, ours):
                s3.reset()
                s3.make_bucket("media")
                s3.make_bucket("private")
                shutil.rmtree(project / ".copy_media", ignore_errors=True)
                shutil.rmtree(here / "back", ignore_errors=True)
                for source, target in works:
                    for run in ("first", "again"):
                        *seconds, megabytes = tool.copy(source, target)
                        key = (source, target, run)
                        times.setdefault(key, {}).setdefault(tool.name, []).append(tuple(seconds))
                        memory[tool.name] = max(memory.get(tool.name, 0), megabytes)
        print(f"{options.files:,} files, {size / 1e6:.0f} MB, {options.rounds} rounds\n")
        print(f"{'':24} {'seconds':^27} {'of processor':^27}")
        print(
            f"{'from':7} {'to':7} {'run':8}" + 2 * f"{'copy_media':>10} {'aws':>7} {'ratio':>7}   "
        )
        for (source, target, run), both in times.items():
            line = f"{source:7} {target:7} {run:8}"
            for kind in (0, 1):
                mine = [taken[kind] for taken in both["copy_media"]]
                other = [taken[kind] for taken in both["aws s3 sync"]]
                ratio = statistics.median(o / m for m, o in zip(mine, other, strict=True))
                line += f"{statistics.median(mine):10.2f} {statistics.median(other):7.2f} {ratio:6.2f}×   "
            print(line)
        print(f"\nPeak memory: {', '.join(f'{name} {mb} MB' for name, mb in memory.items())}")


if __name__ == "__main__":
    main()
