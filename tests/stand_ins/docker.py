"""docker compose, imitated: it looks up in the Compose file what is named, and runs it here.

A volume is a folder in $VOLUMES, and /srv and /tmp of all containers are in one folder beside it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

TAKEN = {
    "build": [],
    "pull": [],
    "stop": [],
    "up": ["--detach", "--no-deps", "--wait", "--remove-orphans"],
    "exec": ["-T"],
    "run": ["-T", "--rm", "--no-deps", "--volume=", "--publish=", "--entrypoint="],
}


def take(words, known):
    """The options in front, which are taken away."""
    options = {}
    while words and words[0].startswith("-"):
        name = words.pop(0)
        assert name in known or f"{name}=" in known, f"docker compose has no {name} there"
        options.setdefault(name, []).append(words.pop(0) if f"{name}=" in known else "")
    return options


words = sys.argv[1:]
assert words.pop(0) == "compose", "only docker compose is imitated"
files = take(words, ["--env-file=", "--file="])
assert Path(files["--env-file"][0]).is_file(), "there is no .env"
compose = yaml.safe_load(Path(files["--file"][0]).read_text())
what = words.pop(0)
options = take(words, TAKEN[what])
if what not in ("exec", "run"):
    unknown = [word for word in words if word not in compose["services"]]
    assert not unknown, f"no such service: {unknown}"
    sys.exit()

name = words.pop(0)
service = compose["services"][name]
command = words or [word.replace("$$", "$") for word in service["command"]]
mounts = {}
for volume in [*service.get("volumes", []), *options.get("--volume", [])]:
    source, target, *_ = volume.rsplit(":ro", 1)[0].rsplit(":", 1)
    source = source.removeprefix(f"{compose['name']}_")
    mounts[target] = f"{os.environ['VOLUMES']}/{re.sub('[^a-z]', '', source.lower())}"
for folder in mounts.values():
    Path(folder).mkdir(parents=True, exist_ok=True)
root = Path(os.environ["VOLUMES"]).parent / "root"
for part in ("srv", "tmp"):
    (root / part).mkdir(parents=True, exist_ok=True)
for target, folder in mounts.items():
    if target.startswith("/srv/"):
        (root / target[1:]).unlink(missing_ok=True)
        (root / target[1:]).symlink_to(folder)
command = [re.sub(r"/(srv|tmp)\b", rf"{root}/\1", word) for word in command]
if "createsuperuser" in command:
    command.append("--noinput")
# A mounted folder is a link here, and there is one file system for all services.
if command[0] == "tar":
    command.insert(1, "--dereference" if "-xf" not in command else "--keep-directory-symlink")
values = {
    k: re.sub(r"/srv\b", f"{root}/srv", f"{v}")
    for k, v in (service.get("environment") or {}).items()
    if "${" not in f"{v}"
}
folder = service.get("working_dir", "").replace("/app", os.getcwd()) or os.getcwd()
sys.exit(subprocess.run(command, cwd=folder, env={**os.environ, **values}).returncode)
