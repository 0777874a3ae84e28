"""Build and run images without a Docker daemon: Debian's buildah and podman.

The base images that a Dockerfile names are made here, from Debian's packages, the Python 3.13 of
this machine and the uv of this repository, under the same names; certificates and uv's use of
them are part of that base, so that the Dockerfile needs nothing special.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from projects import CACHE, find_python, uv

STORE = CACHE / "containers"
LIBRARIES = (
    "ca-certificates,libbz2-1.0,libffi8,libgcc-s1,liblzma5,libncursesw6,libreadline8,"
    "libsqlite3-0,libssl3,libstdc++6,libuuid1,zlib1g"
)
# Only what the limits of this machine ask for; the rest is as a careful deployment runs it.
RUN = (
    "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--network=host",
    "--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp", "--cap-drop=all",
    "--security-opt=no-new-privileges",
)  # fmt: skip
LEAVE_OUT = ("test", "idlelib", "include", "__pycache__", "config-3.*", "site-packages/*", "*.a")


def tool(name: str, *arguments: str | Path, check: bool = True, cwd: Path | None = None):
    """Run buildah or podman on a store of images of our own."""
    STORE.mkdir(parents=True, exist_ok=True)
    place = ["--root", str(STORE / "root"), "--runroot", str(STORE / "run")]
    if name == "podman":
        place += ["--runtime=runc", "--cgroup-manager=cgroupfs"]
    result = subprocess.run(
        [name, *place, *map(str, arguments)], cwd=cwd, text=True, capture_output=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(STORE), "LANG": "C.UTF-8",
             "BUILDAH_ISOLATION": "chroot", "BUILDAH_FORMAT": "docker"},
    )  # fmt: skip
    # No systemd keeps the time of health checks here: the tests run them themselves.
    result.stderr = "".join(
        line for line in result.stderr.splitlines(True) if "systemd" not in line
    )
    if check and result.returncode:
        raise AssertionError(f"{name} {arguments}: {result.stdout[-4000:]}{result.stderr[-4000:]}")
    return result


@contextlib.contextmanager
def mounted(image: str) -> Iterator[tuple[str, Path]]:
    """A new container made from an image, and its root folder."""
    container = tool("buildah", "from", "--pull-never", image).stdout.strip()
    try:
        yield container, Path(tool("buildah", "mount", container).stdout.strip())
    finally:
        tool("buildah", "rm", container)


def make_bases(dockerfile: Path) -> None:
    """Make the base images that a Dockerfile names, where the store lacks them."""
    text = dockerfile.read_text(encoding="utf-8")
    names = dict(re.findall(r"^ARG (PYTHON_IMAGE|UV_IMAGE)=(\S+)", text, re.MULTILINE))
    recipe = hashlib.sha256(Path(__file__).read_bytes() + str(names).encode()).hexdigest()
    STORE.mkdir(parents=True, exist_ok=True)
    with (STORE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = STORE / "made-from"
        if made.exists() and made.read_text() == recipe:
            return
        with mounted("scratch") as (container, _):
            tool("buildah", "copy", container, uv(), "/uv")
            tool("buildah", "commit", container, names["UV_IMAGE"])
        with mounted("scratch") as (container, root):
            python = find_python("3.13").resolve().parents[1]
            unpack = ["tar", "--extract", "--preserve-permissions", "--directory"]
            packages = subprocess.Popen(
                ["mmdebstrap", "--quiet", "--variant=extract", "--include=?essential",
                 f"--include={LIBRARIES}", "bookworm", "-"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            subprocess.run([*unpack, root], stdin=packages.stdout, check=True)
            assert not packages.wait(), packages.stderr.read()
            local = root / "usr" / "local"
            local.mkdir(exist_ok=True)
            copy = subprocess.Popen(
                ["tar", "--create", "--directory", python,
                 *(f"--exclude={name}" for name in LEAVE_OUT), "bin", "lib"],
                stdout=subprocess.PIPE,
            )  # fmt: skip
            subprocess.run([*unpack, local], stdin=copy.stdout, check=True)
            certificates = Path("/etc/ssl/certs/ca-certificates.crt")
            (root / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
            (root / certificates.relative_to("/")).write_bytes(certificates.read_bytes())
            (root / "etc/uv").mkdir()
            (root / "etc/uv/uv.toml").write_text("system-certs = true\n")
            (local / "bin/python").unlink(missing_ok=True)
            (local / "bin/python").symlink_to("python3.13")
            subprocess.run(["chroot", root, "/sbin/ldconfig"], check=True)
            tool("buildah", "commit", container, names["PYTHON_IMAGE"])
        made.write_text(recipe)


def build(project: Path, tag: str, *options: str) -> str:
    """Build the project's Dockerfile, as it is; what the build said."""
    make_bases(project / "Dockerfile")
    result = tool("buildah", "build", "--pull-never", "--layers", "--tag", tag, *options, ".",
                  cwd=project)  # fmt: skip
    return result.stdout + result.stderr
