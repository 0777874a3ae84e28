"""The start page, and what every page knows."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from ..files.status import facts


def home(request: HttpRequest) -> HttpResponse:
    """In development it also tells how the site handles its files, and what is not in order."""
    return render(request, "pages/home.html", {"facts": facts() if settings.DEBUG else []})


def site(request: HttpRequest) -> dict[str, str]:
    """Context processor: the names that every template may use."""
    return {"SITE_NAME": settings.SITE_NAME, "SITE_DESCRIPTION": settings.SITE_DESCRIPTION}
