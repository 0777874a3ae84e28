"""What an upload must be to be kept: a stranger's file until its content has been read."""

import io
import threading
import zipfile
from collections.abc import Collection
from pathlib import PurePath
from typing import IO, Any

import puremagic
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files import File
from PIL import Image, ImageOps

IMAGES = ("jpg", "jpeg", "png", "webp")
DOCUMENTS = ("csv", "docx", "odt", "pdf", "txt", "xlsx")

TEXTS = ("csv", "txt")
CONTROLS = bytes(range(32)).translate(None, b"\t\n\f\r") + b"\x7f"
# What a ZIP file must hold to be a document of that kind.
ZIPPED = {"docx": "word/document.xml", "odt": "content.xml", "xlsx": "xl/workbook.xml"}
MAX_ZIP_DIRECTORY = 500_000
MAX_ZIP_RATIO = 200

one_at_a_time = threading.Lock()


class Checked(File):
    """A file that may be stored. Its name is "upload." and the extension of its real content."""

    def __init__(self, file: IO[Any], extension: str) -> None:
        super().__init__(file, name=f"upload.{extension}")


def check_image(file: Any) -> Checked:
    """The picture written anew: upright, without metadata or anything that was hidden in it.

    Colour profiles are dropped; of an animation the first frame is kept. Pictures are decoded
    one at a time, so that memory is bounded by MAX_IMAGE_PIXELS; WebP takes three times as much.
    """
    extension = check_name_and_size(file, IMAGES).replace("jpeg", "jpg")
    most = settings.MAX_IMAGE_PIXELS // (3 if extension == "webp" else 1)
    try:
        with one_at_a_time, Image.open(file, formats=["JPEG", "PNG", "WEBP"]) as image:
            kind = "jpg" if image.format in ("JPEG", "MPO") else (image.format or "").lower()
            if extension != kind:
                raise problem(
                    f"This picture is named .{extension}, but it is a .{kind}: rename it."
                )
            if image.width * image.height > most:
                raise Image.DecompressionBombError
            return Checked(written_anew(image), kind)
    except ValidationError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise problem(
            f"This picture has more than {most // 1_000_000} million pixels: make it smaller."
        ) from error
    except Exception as error:  # Hostile bytes make decoders fail in too many ways to list.
        raise problem(
            "This picture cannot be read: it is damaged, or no JPEG, PNG or WebP picture."
        ) from error


def check_document(file: Any, extensions: Collection[str] = DOCUMENTS) -> Checked:
    """The document as it is, if its content is of the kind that its extension promises."""
    extension = check_name_and_size(file, extensions)
    if extension in TEXTS:
        agrees = all(chunk == chunk.translate(None, CONTROLS) for chunk in file.chunks())
    elif extension in ZIPPED:
        agrees = ZIPPED[extension] in names_in_zip(file)
    else:  # Not by its name: puremagic would look for a file of that name on this machine.
        matches = puremagic.magic_string(file.read(8192))
        agrees = any(match.extension == f".{extension}" for match in matches)
    if not agrees:
        raise problem(f"This file is named .{extension}, but is damaged or something else.")
    return Checked(file, extension)


def check_name_and_size(file: Any, extensions: Collection[str]) -> str:
    """The extension that the name claims; nothing else of a client's name is ever used."""
    extension = PurePath(file.name or "").suffix.lower().removeprefix(".")
    if extension not in extensions:
        raise problem(f"Choose a file of one of these kinds: {', '.join(sorted(extensions))}.")
    if not file.size:
        raise problem("This file is empty.")
    if file.size > settings.MAX_UPLOAD_SIZE:
        raise problem(f"This file is larger than {settings.MAX_UPLOAD_SIZE / 1_000_000:g} MB.")
    file.seek(0)
    return extension


def problem(sentence: str) -> ValidationError:
    return ValidationError(sentence, code="upload")


def written_anew(image: Image.Image) -> io.BytesIO:
    kind = "JPEG" if image.format == "MPO" else image.format
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip
        image = image.point(lambda value: value / 256)
    plain = "L" if image.mode in ("1", "L") else "RGB"
    image = image.convert("RGBA" if image.has_transparency_data and kind != "JPEG" else plain)
    image.info.clear()
    result = io.BytesIO()
    image.save(result, kind, quality=88)
    return result


def names_in_zip(file: Any) -> set[str]:
    """The names in a ZIP file; none if it is damaged, or made to exhaust whoever opens it."""
    file.seek(max(0, file.size - 65_557))
    before, _, end = file.read().rpartition(b"PK\5\6")
    if int.from_bytes(end[8:12], "little") > MAX_ZIP_DIRECTORY or b"PK\6\7" in before[-20:]:
        return set()
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except Exception:  # As with pictures.
        return set()
    bomb = sum(entry.file_size for entry in entries) > MAX_ZIP_RATIO * file.size
    return set() if bomb else {entry.filename for entry in entries}
