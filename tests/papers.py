"""An app for rendered projects, through which tests upload: a form with a document and a picture.

with papers.serve(project) as site:
    answer = site.upload(papers.File("a.pdf", b"%PDF-1.7 …"))
    assert answer.status == 201
"""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from projects import PRODUCTION, Project
from web_servers import app_servers, unverified, web_server

FILES = {
    "papers/__init__.py": "",
    "papers/models.py": """
        from django.conf import settings
        from django.db import models

        from my_site.files.fields import DocumentField, ImageField
        from my_site.files.storages import {storage}


        class Paper(models.Model):
            owner = models.ForeignKey(
                settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True
            )
            file = DocumentField(storage={storage}, blank=True)
            picture = ImageField(storage={storage}, blank=True)
        """,
    "papers/admin.py": """
        from django.contrib import admin

        from .models import Paper

        admin.site.register(Paper)
        """,
    "papers/views.py": """
        import os

        from django.contrib.auth import get_user_model, login, logout
        from django.forms import modelform_factory
        from django.http import HttpResponse, JsonResponse
        from django.views.decorators.csrf import csrf_exempt

        from .models import Paper

        PaperForm = modelform_factory(Paper, fields=["file", "picture"])


        @csrf_exempt
        def upload(request):
            owner = request.user if request.user.is_authenticated else None
            form = PaperForm(request.POST, request.FILES, instance=Paper(owner=owner))
            if not form.is_valid():
                return JsonResponse({{"errors": form.errors}}, status=422)
            paper = form.save()
            file = paper.file or paper.picture
            if not file:
                return JsonResponse({{"nothing": True}})
            return JsonResponse({{"name": file.name, "url": file.url}}, status=201)


        @csrf_exempt
        def sign_in(request, email):
            if email == "nobody":
                logout(request)
            else:
                user, new = get_user_model().objects.get_or_create(email=email)
                login(request, user, "django.contrib.auth.backends.ModelBackend")
            return HttpResponse(os.getpid())
        """,
    "papers/urls.py": """
        from config.urls import *
        from django.urls import path

        from . import views

        urlpatterns = [
            path("papers/", views.upload),
            path("papers/as/<email>/", views.sign_in),
            *urlpatterns,
        ]
        """,
    "config/settings/papers.py": """
        from .production import *

        INSTALLED_APPS = [*INSTALLED_APPS, "papers"]
        ROOT_URLCONF = "papers.urls"
        SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = False
        plain = "django.contrib.staticfiles.storage.StaticFilesStorage"  # nothing is collected
        STORAGES = {{**STORAGES, "staticfiles": {{"BACKEND": plain}}}}
        """,
}


@dataclass
class File:
    """What a client sends: the name and type are what it claims."""

    name: str
    content: bytes
    type: str = "application/octet-stream"
    field: str = "file"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(url: str, method: str = "GET", body: Any = None, **headers: str) -> Answer:
    """One request that follows nothing. The path is sent as it is written."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=120, context=unverified())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=120)
    )
    path = url.partition(parts.netloc)[2] or "/"
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, names)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def multipart(*files: File) -> tuple[bytes, str]:
    """The body of a form and its type; names are sent as raw as a hostile client sends them."""
    boundary = secrets.token_hex(16)
    parts = []
    for file in files:
        name = file.name.replace('"', "%22").encode("utf-8", "surrogatepass")
        parts += [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{file.field}"; filename="'.encode(),
            name,
            f'"\r\nContent-Type: {file.type}\r\n\r\n'.encode(),
            file.content,
            b"\r\n",
        ]
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


@dataclass
class Site:
    """A running project that has the app; `url` may be that of a web server in front of it."""

    url: str
    project: Project
    cookies: dict[str, str] = field(default_factory=dict)
    apps: list[str] = field(default_factory=list)

    def get(self, url: str, method: str = "GET", **headers: str) -> Answer:
        url = self.url + url if url.startswith("/") else url
        if self.cookies and url.startswith(self.url):
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        return request(url, method, **headers)

    def upload(self, *files: File) -> Answer:
        body, kind = multipart(*files)
        headers = {"Content-Type": kind}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        return request(f"{self.url}/papers/", "POST", body, **headers)

    def as_user(self, email: str) -> Site:
        """The site as somebody signed in; "nobody" signs out what `self` has."""
        answer = self.get(f"/papers/as/{email}/")
        assert answer.status == 200, answer.body
        pairs = [line.partition(";")[0] for line in answer.headers.get_all("Set-Cookie", [])]
        cookies = dict(pair.split("=", 1) for pair in pairs)
        return Site(self.url, self.project, {k: v for k, v in cookies.items() if v}, self.apps)


def add(project: Project, private: bool = False) -> Project:
    """Put the app into a project, and migrate its database."""
    words = {"storage": "private_storage" if private else "public_storage"}
    for name, text in FILES.items():
        path = project.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip().format(**words))
    project.variables |= PRODUCTION | {"DJANGO_SETTINGS_MODULE": "config.settings.papers"}
    if private:
        (project.path / "my_site/files/access.py").write_text(
            textwrap.dedent("""
            from papers.models import Paper


            def may_read(user, name):
                paper = Paper.objects.filter(file=name).first() or Paper.objects.filter(picture=name).first()
                return paper is not None and user.pk is not None and user.pk == paper.owner_id
            """)
        )
    project.shell("""
from django.core.management import call_command
call_command("makemigrations", "papers", verbosity=0)
call_command("migrate", verbosity=0)
""", **project.variables)  # fmt: skip
    return project


@contextlib.contextmanager
def serve(project: Project, **variables: str) -> Iterator[Site]:
    """Run the project; if it has a web server, behind that."""
    if not any((project.path / "deploy" / name).exists() for name in ("nginx", "Caddyfile")):
        with project.serve(**variables) as server:
            yield Site(server.url, project)
        return
    variables = {**project.variables, **variables}
    with app_servers(project, **variables) as apps, web_server(project, list(apps)) as front:
        yield Site(front.url, project, apps=list(apps))


@contextlib.contextmanager
def serve_another_way(site: Site, other: Project) -> Iterator[Site]:
    """The same running app and uploads, behind the web server of another project."""
    folders = {name: site.project.path / name for name in ("media", "private")}
    with web_server(other, site.apps, **folders) as front:
        yield Site(front.url, site.project, apps=site.apps)
