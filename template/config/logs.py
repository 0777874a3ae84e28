"""Log lines that belong together: every line of a request carries the request's id.

Never logged: query strings and tokens, since who reads them could use them.
"""

import logging
import re
import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.core.signals import request_finished
from django.dispatch import receiver
from django.http import HttpRequest
from django.http.response import HttpResponseBase

access = logging.getLogger("access")
request_id: ContextVar[str] = ContextVar("request_id", default="")
WELL_FORMED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestId(logging.Filter):
    """Gives every record the id of the request during which it was made."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


def client_address(request: HttpRequest) -> str:
    """The address that asks: as the proxy reports it, where CLIENT_IP_HEADER names its header."""
    reported = request.headers.get(settings.CLIENT_IP_HEADER, "")
    return reported.rpartition(",")[2].strip() or request.META.get("REMOTE_ADDR", "")


def log_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that names each request, by X-Request-ID if it has one, and logs its answer."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        name = given if WELL_FORMED_ID.fullmatch(given) else uuid.uuid4().hex
        request_id.set(name)
        start = time.perf_counter()
        response = get_response(request)
        response.headers["X-Request-ID"] = name
        match = request.resolver_match
        facts = {
            "method": request.method,
            "path": match.route if match and "token" in match.kwargs else request.path,
            "status": response.status_code,
            "milliseconds": round((time.perf_counter() - start) * 1000),
            "client": client_address(request),
        }
        access.info("%(method)s %(path)s %(status)s", facts, extra=facts)
        return response

    return middleware


@receiver(request_finished)
def forget_request(**_: Any) -> None:
    request_id.set("")
