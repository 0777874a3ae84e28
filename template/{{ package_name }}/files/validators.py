"""What an upload must be to be kept: each is a stranger's file until its content has been read."""

import io
import threading
import unicodedata
import zipfile
from collections.abc import Collection
from pathlib import PurePath
from typing import IO, Any

import puremagic
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files import File
from django.template.defaultfilters import filesizeformat
from PIL import Image, ImageOps

IMAGES = ("jpg", "jpeg", "png", "webp")
DOCUMENTS = ("csv", "docx", "odt", "pdf", "txt", "xlsx")

TEXTS = {"csv", "txt"}
CONTROLS = bytes(range(32)).translate(None, b"\t\n\f\r") + b"\x7f"
# What a ZIP file must hold to be a document of that kind.
ZIPPED = {"docx": "word/document.xml", "odt": "content.xml", "xlsx": "xl/workbook.xml"}
MAX_ZIP_DIRECTORY = 1_000_000
MAX_ZIP_RATIO = 200

one_at_a_time = threading.Lock()


class Checked(File):
    """A file that may be stored. Its name is "upload." and the extension of its real content."""

    def __init__(self, file: IO[Any], extension: str) -> None:
        super().__init__(file, name=f"upload.{extension}")


def check_image(file: Any) -> Checked:
    """The picture written anew: upright, without metadata or anything that was hidden in it.

    Colour profiles are dropped, of an animation the first frame is kept. Pictures are decoded
    one at a time, so that memory is bounded by MAX_IMAGE_PIXELS.
    """
    extension = _check_name_and_size(file, IMAGES)
    unreadable = ValidationError(
        "This picture cannot be read. It may be damaged, or not be a JPEG, PNG or WebP picture.",
        code="unreadable",
    )
    with one_at_a_time:
        try:
            file.seek(0)
            with Image.open(file, formats=["JPEG", "PNG", "WEBP"]) as image:
                kind = "jpg" if image.format in {"JPEG", "MPO"} else (image.format or "").lower()
                _check_pixels(image.width, image.height)
                _check_agreement(extension.replace("jpeg", "jpg"), kind)
                result = _written_anew(image, kind)
        except ValidationError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            _check_pixels(settings.MAX_IMAGE_PIXELS, 2)
        except Exception as error:  # Decoders fail on hostile bytes in too many ways to list.
            raise unreadable from error
    return Checked(result, kind)


def check_document(file: Any, extensions: Collection[str] = DOCUMENTS) -> Checked:
    """The document as it is, once its content agrees with its extension."""
    extension = _check_name_and_size(file, extensions)
    file.seek(0)
    if extension in TEXTS:
        agrees = all(chunk == chunk.translate(None, CONTROLS) for chunk in file.chunks())
    elif extension in ZIPPED:
        agrees = ZIPPED[extension] in _zip_names(file)
    else:
        agrees = f".{extension}" in _sniffed(file.read(8192))
    if not agrees:
        raise ValidationError(
            f"This file is named .{extension}, but its content is something else. "
            "It may be damaged, or have been renamed.",
            code="content",
        )
    file.seek(0)
    return Checked(file, extension)


def readable_name(name: str, longest: int = 100) -> str:
    """A client's name for a file, fit to be shown: never use it as a path."""
    name = "".join(
        letter for letter in unicodedata.normalize("NFC", name) if letter.isprintable()
    ).replace("\\", "/")
    path = PurePath(name.rpartition("/")[2].strip(" .") or "file")
    return path.stem[: longest - len(path.suffix[:20])] + path.suffix[:20]


def _check_name_and_size(file: Any, extensions: Collection[str]) -> str:
    extension = PurePath(file.name or "").suffix.lower().removeprefix(".")
    if extension not in extensions:
        raise ValidationError(
            f"Please choose a file of one of these kinds: {', '.join(sorted(extensions))}.",
            code="extension",
        )
    if not file.size:
        raise ValidationError("This file is empty.", code="empty")
    if file.size > settings.MAX_UPLOAD_SIZE:
        limit = filesizeformat(settings.MAX_UPLOAD_SIZE)
        raise ValidationError(f"This file is too large: at most {limit} are taken.", code="size")
    return extension


def _check_agreement(extension: str, kind: str) -> None:
    if extension != kind:
        raise ValidationError(
            f"This picture is named .{extension}, but its content is {kind}. "
            f"Rename it to .{kind}, or save it anew.",
            code="content",
        )


def _check_pixels(width: int, height: int) -> None:
    if width * height > settings.MAX_IMAGE_PIXELS:
        millions = settings.MAX_IMAGE_PIXELS // 1_000_000
        raise ValidationError(
            f"This picture has too many pixels: at most {millions} million are taken. "
            "Please make it smaller.",
            code="pixels",
        )


def _written_anew(image: Image.Image, kind: str) -> io.BytesIO:
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip
        image = image.point(lambda value: value / 256)
    grey = "L" if image.mode in {"1", "L"} else "RGB"
    image = image.convert("RGBA" if image.has_transparency_data and kind != "jpg" else grey)
    image.info.clear()
    result = io.BytesIO()
    image.save(result, "JPEG" if kind == "jpg" else kind, quality=88)
    return result


def _sniffed(head: bytes) -> set[str]:
    """The extensions that files with these first bytes have. Never pass puremagic a name: it
    would look for a file of that name on this machine's disk."""
    try:
        return {match.extension for match in puremagic.magic_string(head)}
    except (puremagic.PureError, ValueError):
        return set()


def _zip_names(file: Any) -> set[str]:
    """The names in a ZIP file; none if it is damaged, or made to exhaust whoever opens it."""
    file.seek(max(0, file.size - 65_557))
    before, _, end = file.read().rpartition(b"PK\5\6")
    size = int.from_bytes(end[8:12], "little")
    if len(end) < 18 or size > MAX_ZIP_DIRECTORY or b"PK\6\7" in before[-20:]:
        return set()
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except Exception:  # zipfile, too, fails on hostile bytes in many ways.
        return set()
    if sum(entry.file_size for entry in entries) > MAX_ZIP_RATIO * file.size:
        return set()
    return {entry.filename for entry in entries}
