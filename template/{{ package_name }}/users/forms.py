"""What people fill in about themselves."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, UsernameField

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
