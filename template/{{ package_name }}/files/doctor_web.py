"""What `manage.py doctor --url` asks: the site as a stranger's browser sees it."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from secrets import token_hex
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages

from .status import Fact

PAGE = b"<!doctype html><title>doctor</title><script>alert(1)</script>"
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox",
    "Content-Disposition": "attachment",
}


def verdict(label: str, good: bool, value: str, advice: str) -> Fact:
    return Fact(label, value, good, "" if good else advice)


@contextmanager
def probe(alias: str) -> Iterator[str]:
    """An upload that is gone afterwards, a page with a script in it; its name."""
    storage = storages[alias]
    name = storage.save(f"doctor/{token_hex(8)}.html", ContentFile(PAGE))
    try:
        yield name
    finally:
        storage.delete(name)
        with suppress(OSError):
            storage.delete("doctor")  # the folder


def fetch(url: str, **headers: str) -> tuple[int, HTTPMessage, bytes]:
    """Status, headers and body for a stranger: no cookies, and redirects are not followed."""
    parts = urlsplit(url)
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connect(parts.netloc, timeout=15)
    try:
        connection.request("GET", parts._replace(scheme="", netloc="").geturl(), headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def web_server(url: str) -> Iterator[Fact]:
    try:
        if url:
            yield from encryption(url)
            yield from uploads(url)
        if url or urlsplit(settings.STATIC_URL).netloc:
            yield from static_file(url)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or str(error)
        yield Fact("HTTPS", reason, False, "Renew the certificate, for this very host.")
    except (OSError, HTTPException) as error:
        advice = "Start the web server, or correct the address."
        yield Fact("Web server", f"does not answer: {type(error).__name__}", False, advice)


def encryption(url: str) -> Iterator[Fact]:
    parts = urlsplit(url)
    if parts.scheme == "https":
        _, headers, _ = fetch(url)
        hsts = headers["Strict-Transport-Security"] or "not sent"
        advice = "Set SECURE_HSTS_SECONDS: browsers then never ask without encryption."
        yield verdict("HSTS", "max-age" in hsts, hsts, advice)
        if parts.port:
            return  # the port of its http:// is not known
    try:
        status, headers, _ = fetch(f"http://{parts.netloc}/")
    except ConnectionRefusedError:
        if parts.scheme == "http":
            raise
        return
    good = status in (301, 302, 307, 308) and headers["Location"].startswith("https:")
    value = "http:// leads to https://" if good else "pages are served without encryption"
    advice = (
        "Redirect http:// to https://, as the configuration in deploy/ does; without a web "
        "server of yours, set SECURE_SSL_REDIRECT = True."
    )
    yield verdict("HTTPS", good, value, advice)


def static_file(base: str) -> Iterator[Fact]:
    """The largest stylesheet by its hashed name: kept for ever, compressed, safe."""
    storage = storages["staticfiles"]
    if not isinstance(storage, ManifestFilesMixin):
        return
    names = [name for name in storage.hashed_files.values() if name.endswith(".css")]
    if not names:
        return
    name = max(names, key=storage.size)
    site = "https://" + next(iter(settings.ALLOWED_HOSTS), "localhost").lstrip(".")
    accept = {"Origin": site, "Accept-Encoding": "br, gzip"}
    status, headers, _ = fetch(urljoin(base, settings.STATIC_URL + name), **accept)
    advice = (
        f"{settings.STATIC_URL} does not lead to what is in {settings.STATIC_ROOT}: collect (and "
        "publish) this release, or let the web server look in that folder."
    )
    yield verdict("Static file", status == 200, f"{status} for {name}", advice)
    if status != 200:
        return
    cache = headers["Cache-Control"] or "nothing"
    age = re.search(r"max-age=(\d+)", cache)
    advice = (
        "Send `Cache-Control: max-age=31536000, public, immutable` with hashed names, as the "
        "configuration in deploy/ does: browsers ask for every file again and again."
    )
    yield verdict("Static caching", bool(age and int(age[1]) >= 30 * 86_400), cache, advice)
    encoding = headers["Content-Encoding"] or "none"
    advice = (
        "Send the .br or .gz that collectstatic made beside each file: `gzip_static on` in nginx, "
        "`precompressed br gzip` in Caddy."
    )
    yield verdict("Static compression", encoding in ("br", "gzip"), encoding, advice)
    if urlsplit(settings.STATIC_URL).netloc:
        allowed = headers["Access-Control-Allow-Origin"] or "nobody"
        advice = (
            f"Allow GET from {site} in the CORS rules of the bucket or the CDN: browsers refuse "
            "fonts and script modules of another host."
        )
        yield verdict("Static CORS", allowed in ("*", site), f"allows {allowed}", advice)
    else:
        sent = headers["X-Content-Type-Options"] or "not sent"
        advice = "Send `X-Content-Type-Options: nosniff`, as the configuration in deploy/ does."
        yield verdict("Static nosniff", sent == "nosniff", sent, advice)


def uploads(base: str) -> Iterator[Fact]:
    """An uploaded page must not run, and a private one must not be found at all."""
    if isinstance(storages["default"], FileSystemStorage):
        with probe("default") as name:
            status, headers, _ = fetch(urljoin(base, storages["default"].url(name)))
        lacks = [key for key, value in SAFE.items() if value not in (headers[key] or "")]
        if status != 200:
            value = f"{status} for an upload that is there"
            advice = f"Let the web server look for {settings.MEDIA_URL} in {settings.MEDIA_ROOT}."
        else:
            value = f"sent without {', '.join(lacks)}" if lacks else "sent safely"
            advice = (
                f"Send such headers with all of {settings.MEDIA_URL}, as the configuration in "
                "deploy/ does: an uploaded page acts in the name of whoever opens it."
            )
        yield verdict("Served uploads", value == "sent safely", value, advice)
    private = storages["private"] if "private" in storages.backends else None
    if isinstance(private, FileSystemStorage):
        with probe("private") as name:
            addresses = (private.url(name), settings.MEDIA_URL + name)
            seen = [each for each in addresses if fetch(urljoin(base, each))[0] == 200]
        value = "a stranger may read them" if seen else "strangers are refused"
        advice = f"Let no web server serve {private.location} but by X-Accel-Redirect."
        yield verdict("Private uploads", not seen, value, advice)
