"""make demo: a project with the default answers, installed by uv and running."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import urllib.request

from projects import REPOSITORY, free_port, wait_for


def test_make_demo_ends_with_a_site_that_answers_and_that_passes_its_own_tests() -> None:
    port = free_port()
    demo = subprocess.Popen(
        ["make", "demo"], cwd=REPOSITORY, env={**os.environ, "PORT": str(port)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert demo.stdout
    try:

        def page() -> str | None:
            assert demo.poll() is None, demo.stdout.read()
            url = f"http://127.0.0.1:{port}/"
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=30) as answer:
                return answer.read().decode()
            return None

        assert "My Site" in wait_for(page, "the page of the demo", seconds=300)
    finally:
        os.killpg(demo.pid, signal.SIGTERM)
        said = demo.communicate(timeout=30)[0]
    assert f"http://127.0.0.1:{port}/" in said
    project = REPOSITORY / "demo" / "my-site"
    python = project / ".venv" / "bin" / "python"
    tests = [python, "-m", "pytest", "-q", f"--basetemp={project.parent / 'pytest'}"]
    subprocess.run(tests, cwd=project, check=True, capture_output=True)
