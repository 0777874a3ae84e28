"""Application servers for the default project: gunicorn and Granian, 2 processes of 4 threads each.

python benchmarks/app_server.py [--seconds 5] [--json FILE]

Processor time is that of the server's processes, and says more than requests a second, since wrk
needs the same cores. Draining: SIGTERM while a slow request is in flight. Slow clients: 40 of them
send half a request each and wait, while another asks for ten pages, each for a second at most.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from projects import CACHE, PRODUCTION, Project, Server, environment, export, render, uv

HOST = "site.example.com"
HEADERS = {"Host": HOST, "X-Forwarded-Proto": "https", "Accept-Encoding": "br"}
SERVERS = {
    "gunicorn": (
        "gunicorn", "config.wsgi", "--bind", "127.0.0.1:{port}", "--workers", "2", "--threads", "4",
    ),
    "Granian": (
        "python", "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}",
        "--workers", "2", "--blocking-threads", "4", "--no-ws", "config.wsgi:application",
    ),
}  # fmt: skip
SLOW = """

import time
from django.http import HttpResponse
from django.urls import path as route


def slow(request):
    time.sleep(2)
    return HttpResponse("done")


urlpatterns.append(route("slow/", slow))
"""


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def processor(pid: int) -> float:
    """Seconds that they have used."""
    ticks = 0
    for each in family(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """Megabytes that are theirs alone, with their shares of what they have in common."""
    kilobytes = 0
    for each in family(pid):
        text = Path(f"/proc/{each}/smaps_rollup").read_text()
        kilobytes += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
    return round(kilobytes / 1024)


def load(server: Server, path: str, seconds: int) -> dict[str, int]:
    command = ["wrk", "-t1", "-c8", f"-d{seconds}s", f"{server.url}{path}"]
    for name, value in HEADERS.items():
        command += ["-H", f"{name}: {value}"]
    before = processor(server.process.pid)
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    used = processor(server.process.pid) - before
    count = int(re.search(r"(\d+) requests in", output)[1])
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", output)[1])
    return {"requests a second": round(rate), "µs of processor each": round(used / count * 1e6)}


def get(server: Server, path: str, timeout: float = 30) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    connection.request("GET", path, headers=HEADERS)
    response = connection.getresponse()
    return response.status, response.read()


def slow_clients(server: Server) -> int:
    """How many of ten pages are answered within a second each, while they all wait."""
    waiting = []
    for _ in range(40):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nX-Slow: ".encode())
        waiting.append(client)
    time.sleep(0.5)
    answered = 0
    for _ in range(10):
        with contextlib.suppress(OSError):
            answered += get(server, "/", timeout=1)[0] == 200
    for client in waiting:
        client.close()
    return answered


def drains(server: Server) -> str:
    """What a request in flight gets when the server is told to stop."""
    answer: list[Any] = []

    def ask() -> None:
        try:
            answer.append(get(server, "/slow/"))
        except (OSError, http.client.HTTPException) as error:
            answer.append(type(error).__name__)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.7)
    server.process.send_signal(signal.SIGTERM)
    thread.join()
    begin = time.perf_counter()
    server.process.wait(60)
    rest = time.perf_counter() - begin
    status = answer[0][0] if isinstance(answer[0], tuple) else answer[0]
    return f"{status}, gone {rest:.1f} s after it"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = render(export(folder / "template"), folder / "project")
        project = Project(path, environment())
        with (path / "config" / "urls.py").open("a") as urls:
            urls.write(SLOW)
        project.manage("migrate")
        project.manage("collectstatic", "--noinput")
        manifest = json.loads((path / "staticfiles" / "staticfiles.json").read_text())["paths"]
        granian = CACHE / "granian"
        if not granian.exists():
            subprocess.run(
                [uv(), "pip", "install", "--quiet", "--python", project.python, "--target",
                 granian, "granian"], check=True,
            )  # fmt: skip
        variables = {**PRODUCTION, "PYTHONPATH": f"{granian}:{path}", "DJANGO_ALLOWED_HOSTS": HOST}
        paths = {
            "page": "/",
            "stylesheet": f"/static/{manifest['css/site.css']}",
            "404": "/nothing/",
        }
        results: dict[str, Any] = {}
        for label, command in SERVERS.items():
            with project.serve(*command, path="/healthz", **variables) as server:
                result = {what: load(server, url, options.seconds) for what, url in paths.items()}
                result["memory, MB"] = memory(server.process.pid)
                result["of 10 pages beside 40 slow clients"] = slow_clients(server)
                result["SIGTERM with a request in flight"] = drains(server)
            results[label] = result
            print(f"\n{label}")
            for what, value in result.items():
                print(f"  {what:36} {value}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
