"""Static files: collecting, publishing and serving, beside what other projects use.

python benchmarks/static.py [--files 1000 5000] [--latency 0.03 …] [--seconds 5] [--only PART …]
    [--json FILE]

Everything runs once, one after the other, on this machine: read the ratios, not the seconds.
collect: against WhiteNoise's CompressedManifestStaticFilesStorage. publish: against django-storages'
S3ManifestStaticStorage and collectfasta, on the S3 server of the tests, with so many seconds of
latency added to each request. serve: WhiteNoise with the settings of the project and with those that
`startproject` and a README give, the project's nginx, and an nginx that does nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from projects import CACHE, PRODUCTION, Project, environment, export, free_port, render, stop, uv
from s3_server import S3Server
from sample_static import generate
from web_servers import HOST, app_servers, web_server

PEERS = {
    "whitenoise": """
from .development import *
STATIC_ROOT = BASE_DIR / "whitenoise"
STORAGES["staticfiles"] = {
    "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
}
""",
    "django-storages": """
from .development import *
from .env import env
STORAGES["staticfiles"] = {
    "BACKEND": "storages.backends.s3.S3ManifestStaticStorage",
    "OPTIONS": {
        "bucket_name": env("PEER_BUCKET"),
        "endpoint_url": env("S3_ENDPOINT_URL"),
        "querystring_auth": False,
    },
}
""",
    "collectfasta": """
from .peer_django_storages import *
INSTALLED_APPS = ["collectfasta", *INSTALLED_APPS]
COLLECTFASTA_STRATEGY = "collectfasta.strategies.boto3.Boto3ManifestMemoryStrategy"
COLLECTFASTA_THREADS = 20
COLLECTFASTA_CACHE = "collectfasta"
CACHES["collectfasta"] = {
    "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
    "LOCATION": BASE_DIR / "collectfasta-cache",
    "OPTIONS": {"MAX_ENTRIES": 100_000},
    "TIMEOUT": None,
}
""",
    "readme": """
from .production import *
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    *(name for name in MIDDLEWARE if name.startswith("django.contrib")),
]
LOGGING = {}
""",
}


def project_with(files: int, folder: Path, **answers: Any) -> Project:
    template = export(folder / "template")
    path = render(template, folder / "project", **answers)
    shutil.rmtree(path / "static" / "bench", ignore_errors=True)
    if files:
        generate(path / "static" / "bench", files)
    for name, settings in PEERS.items():
        module = path / "config" / "settings" / f"peer_{name.replace('-', '_')}.py"
        module.write_text(settings)
    return Project(path, environment())


def settings_of(peer: str) -> dict[str, str]:
    return {"DJANGO_SETTINGS_MODULE": f"config.settings.peer_{peer.replace('-', '_')}"}


def seconds(project: Project, *command: str, **variables: str) -> float:
    begin = time.perf_counter()
    project.run("python", "manage.py", *command, timeout=3600, **variables)
    return round(time.perf_counter() - begin, 2)


# --- Collecting -----------------------------------------------------------------------------------


def collecting(files: int, folder: Path) -> dict[str, Any]:
    """Seconds of the first run and of one with nothing to do, without the admin's own files."""
    project = project_with(files, folder)
    command = ("collectstatic", "--noinput", "--ignore", "admin", "--verbosity", "0")
    runs = {
        "Groundwork": [seconds(project, *command) for _ in range(2)],
        "WhiteNoise": [seconds(project, *command, **settings_of("whitenoise")) for _ in range(2)],
    }
    return {name: {"first": first, "again": again} for name, (first, again) in runs.items()} | {
        "ratio": ratios(runs["WhiteNoise"], runs["Groundwork"])
    }


def ratios(theirs: list[float], ours: list[float]) -> dict[str, float]:
    first, again = (round(other / own, 1) for other, own in zip(theirs, ours, strict=True))
    return {"first": first, "again": again}


# --- Publishing -----------------------------------------------------------------------------------


def publishing(files: int, latency: float, folder: Path) -> dict[str, Any]:
    """Seconds and requests: first, again, and after a change of 1 %. Ours: collecting included."""
    project = project_with(files, folder, static_serving="s3", object_store="other")
    extra = CACHE / "collectfasta"
    if not extra.exists():
        install = [uv(), "pip", "install", "--quiet", "--python", str(project.python), "--no-deps",
                   "--target", str(extra), "collectfasta"]  # fmt: skip
        subprocess.run(install, check=True)
    collect = ("collectstatic", "--noinput", "--ignore", "admin", "--verbosity", "0")
    result: dict[str, Any] = {}
    with S3Server() as s3:
        project.variables = s3.environment()
        s3.faults.latency = latency
        sources = sorted((project.path / "static" / "bench").rglob("*.css"))
        for name in ("Groundwork", "django-storages", "collectfasta"):
            bucket = s3.make_bucket(name.lower(), public_prefixes=[""])
            variables = {"STATIC_BUCKET": bucket, "PEER_BUCKET": bucket, "PYTHONPATH": str(extra)}
            result[name] = {}
            for step in ("first", "again", "1 % changed"):
                if step == "1 % changed":
                    for source in sources[: max(1, files // 100)]:
                        source.write_text(f"{source.read_text()}/* {name} */\n")
                s3.requests.clear()
                if name == "Groundwork":
                    took = seconds(project, *collect) + seconds(
                        project, "publish_static", **variables
                    )
                else:
                    took = seconds(project, *collect, **settings_of(name), **variables)
                result[name][step] = {"seconds": round(took, 2), "requests": len(s3.requests)}
    for name in ("django-storages", "collectfasta"):
        result[f"ratio to {name}"] = {
            step: round(result[name][step]["seconds"] / figures["seconds"], 1)
            for step, figures in result["Groundwork"].items()
        }
    return result


# --- Serving --------------------------------------------------------------------------------------


def wrk(url: str, seconds: int, *headers: str) -> int:
    """Requests a second, over 32 connections that are kept."""
    command = ["wrk", "-t2", "-c32", f"-d{seconds}s", url]
    for header in (f"Host: {HOST}", "Accept-Encoding: br, gzip", *headers):
        command += ["-H", header]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output:
        raise RuntimeError(f"{url} was refused:\n{output}")
    return round(float(re.search(r"Requests/sec:\s*([\d.]+)", output)[1]))


@contextlib.contextmanager
def bare_nginx(root: Path, folder: Path) -> Iterator[str]:
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error;\n"
        "events { worker_connections 1024; }\nhttp { access_log off; sendfile on; gzip_static on;\n"
        "include /etc/nginx/mime.types; client_body_temp_path t1; proxy_temp_path t2;\n"
        "fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n"
        f"server {{ listen 127.0.0.1:{port}; location /static/ {{ alias {root}/; }} }} }}\n"
    )
    for path in (folder, *folder.parents, root, *root.parents):
        with contextlib.suppress(PermissionError):
            path.chmod(path.stat().st_mode | 0o055)
    process = subprocess.Popen(
        ["nginx", "-p", str(folder), "-c", str(config), "-e", str(folder / "error")]
    )
    time.sleep(1)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


def serving(seconds: int, folder: Path) -> dict[str, int]:
    """Requests a second for a stylesheet of some 10 KB."""
    project = project_with(0, folder, static_serving="web-server", web_server="nginx")
    white = project_with(0, folder / "white")
    result = {}
    for one in (project, white):
        generate(one.path / "static" / "bench", 20)
        one.manage("migrate")
        one.manage("collectstatic", "--noinput")
    manifest = json.loads((project.path / "staticfiles" / "staticfiles.json").read_text())["paths"]
    name = min(
        (hashed for hashed in manifest.values() if hashed.endswith(".css")),
        key=lambda hashed: abs((project.path / "staticfiles" / hashed).stat().st_size - 10_000),
    )
    https = "X-Forwarded-Proto: https"
    for label, settings, command in (
        ("WhiteNoise, Groundwork", {}, ("gunicorn", "config.wsgi", "--bind", "127.0.0.1:{port}")),
        (
            "WhiteNoise, as in READMEs",
            settings_of("readme"),
            ("gunicorn", "config.wsgi", "--bind", "127.0.0.1:{port}", "--workers", "2",
             "--config", "/dev/null"),
        ),
    ):  # fmt: skip
        variables = {**PRODUCTION, "DJANGO_ALLOWED_HOSTS": HOST, **settings}
        with white.serve(*command, path="/static/x", **variables) as server:
            result[label] = wrk(f"{server.url}/static/{name}", seconds, https)
    with app_servers(project) as apps, web_server(project, list(apps)) as server:
        result["nginx, Groundwork (HTTPS)"] = wrk(f"{server.url}/static/{name}", seconds)
    with bare_nginx(project.path / "staticfiles", folder) as url:
        result["nginx alone"] = wrk(f"{url}/static/{name}", seconds)
    return result


# --- Print ----------------------------------------------------------------------------------------


def show(title: str, figures: dict[str, Any]) -> None:
    print(f"\n{title}")
    for name, values in figures.items():
        if isinstance(values, dict):
            values = "   ".join(
                f"{step}: {value['seconds']:7.2f} s {value['requests']:6,} requests"
                if isinstance(value, dict)
                else f"{step}: {value:7}{' x' if 'ratio' in name else ' s'}"
                for step, value in values.items()
            )
        print(f"  {name:28} {values}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--latency", type=float, nargs="+", default=[0.03])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--only", choices=["collect", "publish", "serve"], nargs="+")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    parts = options.only or ["collect", "publish", "serve"]
    results: dict[str, Any] = {}

    def run(part: str, title: str, key: str, measure: Any, *arguments: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(*arguments, Path(folder))
        results.setdefault(part, {})[key] = figures
        show(title, figures)

    if "collect" in parts:
        for files in options.files:
            run("collect", f"Collecting {files:,} files", f"{files}", collecting, files)
    if "publish" in parts:
        files = options.files[0]
        for latency in options.latency:
            milliseconds = f"{latency * 1000:g}"
            title = f"Publishing {files:,} files, {milliseconds} ms of latency"
            run("publish", title, milliseconds, publishing, files, latency)
    if "serve" in parts:
        run(
            "serve",
            "Serving a stylesheet, requests a second",
            "stylesheet",
            serving,
            options.seconds,
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
