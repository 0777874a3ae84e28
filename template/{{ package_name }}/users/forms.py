"""What people fill in about themselves."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, UsernameField

from .models import User


class LoginForm(AuthenticationForm):
    username = UsernameField(
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    )


class AccountForm(forms.ModelForm):
    remove_avatar = forms.BooleanField(label="Remove the picture", required=False)

    class Meta:
        model = User
        fields = ("name", "avatar")
        labels = {"avatar": "Picture"}
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "avatar": forms.FileInput,
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("remove_avatar") and "avatar" not in self.files:
            cleaned["avatar"] = False
        return cleaned
