"""Fields of models for uploads, such as `avatar = ImageField(blank=True)`.

They work in forms, in the admin and in `full_clean()`, and check again when a file is stored, so
that no way leads around them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from os import PathLike
from pathlib import PurePath
from posixpath import dirname
from typing import Any

from django import forms
from django.db import models
from django.db.models.fields.files import FieldFile
from django.utils import timezone

from .storages import public_storage
from .validators import DOCUMENTS, IMAGES, Checked, check_document, check_image


class UploadFormField(forms.FileField):
    """A form's field for uploads; in a form without a model: `UploadFormField(check_image)`."""

    def __init__(self, check: Callable[[Any], Checked], **options: Any) -> None:
        self.check = check
        super().__init__(**options)

    def to_python(self, data: Any) -> Any:
        file = super().to_python(data)
        return None if file is None else self.check(file)


class UploadFile(FieldFile):
    """The value of a field: whatever way a file comes, it is checked before it is stored."""

    field: UploadField

    def save(self, name: str | None, content: Any, save: bool = True) -> None:
        if not content.name:
            content.name = name
        content = self.field.checked(content)
        super().save(content.name, content, save)


class UploadField(models.FileField):
    """What image and document fields have in common."""

    attr_class = UploadFile
    extensions: Collection[str] = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"storage": public_storage, **options})

    def check_content(self, file: Any) -> Checked:
        """The file to store, or a ValidationError."""
        raise NotImplementedError

    def checked(self, file: Any) -> Checked:
        return file if isinstance(file, Checked) else self.check_content(file)

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        value = super().clean(value, model_instance)
        if value and not value._committed:
            value.file = self.checked(value.file)
        return value

    def generate_filename(
        self, instance: models.Model | None, filename: str | PathLike[str]
    ) -> str:
        """`<upload_to or model>/<year>/<month>/<random>.<extension>`: unique, not to be guessed."""
        place = self.upload_to or self.model._meta.model_name
        if callable(place):  # As in Django; but what it says of the file's own name is not used.
            place = dirname(place(instance, str(filename)))
        folder = timezone.now().strftime(f"{place}/%Y/%m").strip("/")
        name = secrets.token_hex(16) + PurePath(filename).suffix
        return self.storage.generate_filename(f"{folder}/{name}")

    def formfield(self, **options: Any) -> Any:
        own = {"form_class": UploadFormField, "check": self.checked, "max_length": None}
        field = super().formfield(**{**own, **options})
        if field:
            accept = ",".join(f".{extension}" for extension in self.extensions)
            field.widget.attrs.setdefault("accept", accept)
        return field

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        if not options["upload_to"]:
            del options["upload_to"]
        if options.get("storage") is public_storage:
            del options["storage"]
        return name, path, args, options


class ImageField(UploadField):
    """A JPEG, PNG or WebP picture, written anew before it is stored."""

    extensions = IMAGES

    def check_content(self, file: Any) -> Checked:
        return check_image(file)


class DocumentField(UploadField):
    """A document; `DocumentField(extensions=["pdf"])` takes PDF files alone."""

    def __init__(self, *args: Any, extensions: Collection[str] = DOCUMENTS, **options: Any) -> None:
        self.extensions = tuple(extensions)
        super().__init__(*args, **options)

    def check_content(self, file: Any) -> Checked:
        return check_document(file, self.extensions)

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        if self.extensions != DOCUMENTS:
            options["extensions"] = list(self.extensions)
        return name, path, args, options
