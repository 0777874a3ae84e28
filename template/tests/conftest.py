"""Fixtures of every test."""

import io
from collections.abc import Callable

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image


@pytest.fixture
def ada(db):
    return get_user_model().objects.create_user("ada@example.com", "difference-engine")


@pytest.fixture
def picture() -> Callable[..., SimpleUploadedFile]:
    """Make an upload, e.g. picture("blue")."""

    def make(colour: str = "red") -> SimpleUploadedFile:
        content = io.BytesIO()
        Image.new("RGB", (8, 8), colour).save(content, "PNG")
        return SimpleUploadedFile("holiday.png", content.getvalue(), "image/png")

    return make
