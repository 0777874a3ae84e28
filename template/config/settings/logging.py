"""The log: lines on standard error, for people or, in production, one JSON object each."""

import logging
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS

from .env import env

LEVEL = env.log_level("DJANGO_LOG_LEVEL", logging.INFO)


def logging_as(style: str) -> dict[str, Any]:
    """What LOGGING is for the formatter named `style`: "text" or "json"."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": "config.middleware.RequestId"}},
        "formatters": {
            "text": {"format": "{levelname} {name}: {message} {request_id}", "style": "{"},
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "fmt": ["levelname", "name", "message", "request_id"],
                "rename_fields": {"levelname": "level", "name": "logger"},
                "timestamp": True,
                # Django adds these to some records: a request would show its query string.
                "reserved_attrs": [*RESERVED_ATTRS, "request", "server_time"],
            },
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "filters": ["request_id"],
                "formatter": style,
            },
        },
        "root": {"handlers": ["console"], "level": LEVEL},
        "loggers": {
            # In development, runserver writes a line for each request already.
            "access": {"level": "INFO" if style == "json" else "WARNING"},
            "django": {"handlers": [], "level": LEVEL},
            # Scanners ask for hosts that are not this site; the answer, 400, is logged anyway.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "gunicorn.error": {"handlers": [], "propagate": True},
            # It says of each HEAD request that it leaves the body out.
            "gunicorn.http.wsgi": {"level": "ERROR"},
        },
    }
