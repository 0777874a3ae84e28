"""The account page."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from .forms import AccountForm
from .models import User


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """The account of whoever is signed in: no address leads to anybody else's."""
    user = User.objects.get(email=request.user.get_username())
    if request.method == "POST":
        form = AccountForm(request.POST, request.FILES, instance=user)
        if form.is_valid():
            form.save()
            messages.success(request, "Your account is saved.")
            return redirect("account")
    else:
        form = AccountForm(instance=user)
    return render(request, "users/account.html", {"form": form})
