"""The start page."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from ..files.status import facts


def home(request: HttpRequest) -> HttpResponse:
    """In development it also tells how the site handles its files, and what is not in order."""
    return render(request, "pages/home.html", {"facts": facts() if settings.DEBUG else []})
