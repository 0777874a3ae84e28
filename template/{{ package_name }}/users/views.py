"""Signing in, and the account page."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm, UsernameField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from .models import User


class LoginForm(AuthenticationForm):
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "No account has this e-mail address and this password.",
    }
    username = UsernameField(
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    )


class AccountForm(forms.ModelForm):
    remove_avatar = forms.BooleanField(label="Remove the picture", label_suffix="", required=False)

    class Meta:
        model = User
        fields = ("name", "avatar")
        labels = {"avatar": "Picture"}
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "avatar": forms.FileInput,
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not self.instance.avatar:
            del self.fields["remove_avatar"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("remove_avatar") and "avatar" not in self.files:
            cleaned["avatar"] = False
        return cleaned


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
