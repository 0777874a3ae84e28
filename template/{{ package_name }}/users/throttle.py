"""Guessing passwords is slow: only so many attempts to sign in are let through.

An attempt takes a slot for a quarter of an hour: of the account from this address, of the
address, and of the account from anywhere. The last does not bind a browser that has signed in
to the account before: nobody can lock its owner out.
"""

import hashlib
import ipaddress
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.core.cache import cache
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from config.logs import client_address

SECONDS = 15 * 60
FOR_ACCOUNT_AND_ADDRESS, FOR_ADDRESS, FOR_ACCOUNT = 10, 100, 50
COOKIE = "known_browser"


class LoginThrottle:
    """Middleware that answers 429 to too many sign-ins, wherever a path is named "login"."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if known := request.META.get("throttle.signed_in"):
            secure = settings.SESSION_COOKIE_SECURE
            response.set_signed_cookie(
                COOKIE, known, max_age=365 * 86_400, secure=secure, httponly=True, samesite="Lax"
            )
        return response

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        match = request.resolver_match
        if request.method != "POST" or match is None or match.url_name != "login":
            return None
        address = name_of(network(client_address(request)))
        account = name_of("account", request.POST.get("username", "").strip().lower())
        limits = {name_of(account, address): FOR_ACCOUNT_AND_ADDRESS, address: FOR_ADDRESS}
        if request.get_signed_cookie(COOKIE, default="") != account:
            limits[account] = FOR_ACCOUNT
        slots = [take(name, limit) for name, limit in limits.items()]
        request.META["throttle.attempt"] = account, [slot for slot in slots if slot]
        if all(slots):
            return None
        response = render(request, "429.html", status=429)
        response.headers["Retry-After"] = str(SECONDS)
        return response


def name_of(*parts: str) -> str:
    """A cache key of these parts that tells nobody an e-mail address."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def network(address: str) -> str:
    """The address, or the /64 of an IPv6 one: its owner has all the others in it too."""
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return address
    return str(ipaddress.ip_network(f"{address}/64", False)) if version == 6 else address


def take(name: str, limit: int) -> str | None:
    """A free slot of so many, claimed for SECONDS; several processes cannot claim the same."""
    slots = [f"sign-in:{name}:{number}" for number in range(limit)]
    taken = cache.get_many(slots)
    return next((slot for slot in slots if slot not in taken and cache.add(slot, 1, SECONDS)), None)


@receiver(user_logged_in)
def give_back(request: HttpRequest, **_: Any) -> None:
    """Somebody who knows the password was no guesser: their attempt does not count."""
    account, slots = request.META.get("throttle.attempt", ("", []))
    cache.delete_many(slots)
    request.META["throttle.signed_in"] = account
