"""make demo: a project with the default answers, running on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from projects import REPOSITORY, export, find_python, render, uv


def main() -> None:
    place = REPOSITORY / "demo" / "my-site"
    shutil.rmtree(place.parent, ignore_errors=True)
    render(export(place.parent / ".template"), place)
    shutil.rmtree(place.parent / ".template")
    variables = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    try:
        variables["UV_PYTHON"] = str(find_python("3.13"))
    except RuntimeError:
        print("No Python 3.13 was found on this machine: uv fetches one.")
    port = os.environ.get("PORT") or 8000
    for command in (
        ["sync", "--quiet"],
        ["run", "--quiet", "manage.py", "migrate", "--verbosity", "0"],
    ):
        subprocess.run([uv(), *command], cwd=place, env=variables, check=True)
    print(f"A project with the default answers is in {place}.")
    print(f"Open http://127.0.0.1:{port}/ to see it. Control-C ends it.", flush=True)
    os.chdir(place)
    server = [uv(), "run", "--quiet", "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
    if sys.platform == "win32":
        sys.exit(subprocess.run(server, env=variables).returncode)
    os.execve(server[0], server, variables)


if __name__ == "__main__":
    main()
