"""What strangers upload: files made to be run, to exhaust, to escape or to deceive.

Scripts in them ask for /ran/<name of the case>, so that whoever runs one is seen. `python
tests/hostile_uploads.py FOLDER` writes them all, to try them by hand.
"""

from __future__ import annotations

import functools
import io
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from papers import File
from PIL import Image, PngImagePlugin

LIMIT = 1_000_000
"""MAX_UPLOAD_SIZE of the sites that the corpus is sent to, so that it is small."""

PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
STORED, REFUSED = True, False


@dataclass
class Case:
    """One upload. `stored`: True if it may be kept (inert), False if it must be refused."""

    title: str
    file: File
    stored: bool


def script(title: str) -> bytes:
    address = f"/ran/{title}"
    return f"document.title='ran';fetch('{address}');new Image().src='{address}'".encode()


def html(title: str) -> bytes:
    return b"<!doctype html><html><body><script>" + script(title) + b"</script></body></html>"


def svg(title: str) -> bytes:
    return (
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>'
        + script(title)
        + b"</script></svg>"
    )


def picture(
    kind: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (32, 24), **save
) -> bytes:
    result = io.BytesIO()
    Image.effect_noise(size, 60).convert(mode).save(result, kind, **save)
    return result.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *extra: bytes, data: bytes | None = None) -> bytes:
    """A PNG written by hand: black, one bit a pixel, unless `data` says otherwise."""
    if data is None:
        packer = zlib.compressobj(9)
        row = bytes(1 + (width + 7) // 8)
        data = b"".join(packer.compress(row) for _ in range(min(height, 30_000))) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *extra, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    )  # fmt: skip


def zipped(*names: str, content: bytes = b"<x/>") -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return result.getvalue()


def lying_zip(size: int) -> bytes:
    """A .docx whose directory says that its last file has that size when unpacked."""
    data = bytearray(zipped("[Content_Types].xml", "word/document.xml"))
    start = data.rindex(b"PK\1\2")
    data[start + 24 : start + 28] = struct.pack("<I", size)
    return bytes(data)


def zip64() -> bytes:
    """A .docx that says 100 bytes of directory in one place and a terabyte in another."""
    data = zipped("[Content_Types].xml", "word/document.xml")
    end = data.rindex(b"PK\5\6")
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 1 << 40, 0)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    return data[:end] + record + locator + data[end:]


def animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    result = io.BytesIO()
    frames[0].save(result, kind, save_all=True, append_images=frames[1:], duration=50)
    return result.getvalue()


def with_gps() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "at home"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 24.0, 0.0)})
    return picture(exif=exif)


def texts(title: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", html(title).decode())
    return picture("PNG", pnginfo=info)


def documents() -> Iterator[tuple[str, str, bytes, bool]]:
    """title, name, content, stored"""
    for name in ("html", "htm", "xhtml", "svg", "xml", "js", "mhtml", "hta", "swf", "php", "sh"):
        content = svg(name) if name == "svg" else html(name)
        yield name, f"page.{name}", content, REFUSED
    yield "html as pdf", "page.pdf", html("html as pdf"), REFUSED
    yield "html before pdf", "page.pdf", html("html before pdf") + PDF, REFUSED
    yield "html after pdf", "page.pdf", PDF + html("html after pdf"), STORED
    yield "html as txt", "page.txt", html("html as txt"), STORED
    yield "script as txt", "script.txt", script("script as txt"), STORED
    yield "svg as csv", "page.csv", svg("svg as csv"), STORED
    yield "html in UTF-16", "page.txt", html("utf16").decode().encode("utf-16"), REFUSED
    yield "html in UTF-7", "page.txt", html("utf7").decode().encode("utf-7"), STORED
    yield "php as txt", "shell.php.txt", b"<?php system($_GET['c']); ?>", STORED
    yield "formula", "sums.csv", b"=cmd|'/C calc'!A0,1\n", STORED
    script_ = b"1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n"
    yield "pdf with a script", "form.pdf", b"%PDF-1.7\n" + script_ + PDF, STORED
    yield "program as pdf", "setup.pdf", b"MZ\x90\0" + bytes(200), REFUSED
    yield "program as txt", "setup.txt", b"\x7fELF\2\1\1" + bytes(200), REFUSED
    yield "zip bomb", "bomb.docx", zipped("[Content_Types].xml", "word/document.xml", content=bytes(90_000_000)), REFUSED  # fmt: skip
    yield "zip that lies on sizes", "bomb.docx", lying_zip(4_000_000_000), REFUSED
    yield "zip with a long directory", "many.xlsx", zipped("xl/workbook.xml", *(f"{n:06}" for n in range(9_800)), content=b""), REFUSED  # fmt: skip
    yield "zip64 that lies", "bomb.docx", zip64(), REFUSED
    yield "damaged zip", "report.docx", zipped("word/document.xml")[:-30], REFUSED
    yield "jar as docx", "app.docx", zipped("META-INF/MANIFEST.MF", "Main.class"), REFUSED
    yield "xlsx as docx", "sums.docx", zipped("[Content_Types].xml", "xl/workbook.xml"), REFUSED
    yield (
        "escaping zip",
        "report.docx",
        zipped("word/document.xml", "../../../etc/cron.d/x"),
        STORED,
    )
    yield "zip", "all.zip", zipped("a"), REFUSED
    yield "double extension", "report.pdf.exe", PDF, REFUSED
    yield "double extension, inner program", "report.exe.pdf", PDF, STORED
    yield "null byte", "report.pdf\0.html", PDF, REFUSED
    yield "null byte before pdf", "report.html\0.pdf", PDF, STORED
    yield "encoded null byte", "report.html%00.pdf", PDF, STORED
    yield "climbing", "../../../static/css/site.pdf", PDF, STORED
    yield "climbing, Windows", "..\\..\\web.config.pdf", PDF, STORED
    yield "climbing, encoded", "..%2f..%2fx.pdf", PDF, STORED
    yield "absolute", "/etc/cron.d/x.pdf", PDF, STORED
    yield "drive", "C:\\Windows\\win.pdf", PDF, STORED
    yield "right to left", "annual\u202efdp.exe", PDF, REFUSED
    yield "right to left, pdf", "annual\u202eexe.pdf", PDF, STORED
    yield "device CON", "CON.pdf", PDF, STORED
    yield "device aux", "aux.txt", b"text", STORED
    yield "device NUL", "NUL", PDF, REFUSED
    yield "no extension", "pdf", PDF, REFUSED
    yield "hidden", ".htaccess", b"AddHandler x .txt", REFUSED
    yield "extension alone", ".pdf", PDF, REFUSED
    yield "dot at the end", "report.pdf.", PDF, REFUSED
    yield "space at the end", "report.pdf ", PDF, REFUSED
    yield "stream", "report.pdf::$DATA", PDF, REFUSED
    yield "control characters", "re\x1b[31mport\x07.pdf", PDF, STORED
    yield "header in the name", "a\r\nContent-Type: text/html\r\n\r\n.pdf", PDF, REFUSED
    yield "long name", "a" * 250 + ".pdf", PDF, STORED
    yield "name longer than a header", "a" * 5000 + ".pdf", PDF, REFUSED
    yield "long extension", "a." + "p" * 5000, PDF, REFUSED
    yield "emoji", "📄 Überweisung ?#%.pdf", PDF, STORED
    yield "half a character", "a\ud800.pdf", PDF, REFUSED
    yield "upper case", "REPORT.PDF", PDF, STORED
    yield "dotless i", "report.pdf\u0131", PDF, REFUSED
    yield "wide letters", "report.\uff50\uff44\uff46", PDF, REFUSED
    yield "empty", "empty.pdf", b"", REFUSED
    yield "as large as may be", "large.txt", b"x" * LIMIT, STORED
    yield "one byte too large", "large.txt", b"x" * (LIMIT + 1), REFUSED
    yield "four times too large", "large.pdf", PDF + bytes(4 * LIMIT), REFUSED
    yield "picture as pdf", "photo.pdf", picture(), REFUSED


def pictures() -> Iterator[tuple[str, str, bytes, bool]]:
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\nshowpage\n"
    yield "EPS as png", "logo.png", eps, REFUSED
    yield "EPS as jpg", "logo.jpg", eps, REFUSED
    gif = b"GIF89a/*" + bytes(10) + b"*/=1;" + script("gif")
    yield "GIF and script", "cat.gif", gif, REFUSED
    yield "GIF and script as jpg", "cat.jpg", gif, REFUSED
    yield "SVG", "logo.svg", svg("SVG"), REFUSED
    yield "SVG as png", "logo.png", svg("SVG as png"), REFUSED
    yield "HTML as jpg", "photo.jpg", html("HTML as jpg"), REFUSED
    yield "HTML after a JPEG", "photo.jpg", picture() + html("HTML after a JPEG"), STORED
    yield "HTML in a JPEG's comment", "photo.jpg", picture(comment=html("comment")), STORED
    yield "HTML in a PNG's text", "photo.png", texts("HTML in a PNG's text"), STORED
    yield "HTML after a PNG", "photo.png", picture("PNG") + html("HTML after a PNG"), STORED
    webp = picture("WEBP")
    yield "HTML after a WebP", "photo.webp", webp + html("HTML after a WebP"), STORED
    yield "script in a JPEG", "photo.jpg", picture()[:2] + b"\xff\xfe\x00\x1c=1/*" + b" " * 16 + b"*/alert" + picture()[2:], STORED  # fmt: skip
    yield "archive after a PNG", "photo.png", picture("PNG") + zipped("Main.class"), STORED
    yield "where somebody lives", "photo.jpg", with_gps(), STORED
    yield "named html", "photo.jpg.html", picture(), REFUSED
    yield "named jpg, a PNG", "photo.jpg", picture("PNG"), REFUSED
    yield "200 megapixels", "huge.png", png(20_000, 10_000), REFUSED
    yield (
        "more pixels than a number holds",
        "huge.png",
        png(2**31 - 1, 2**31 - 1, data=b"x"),
        REFUSED,
    )
    yield "no pixels", "none.png", png(0, 0), REFUSED
    bomb = zlib.compress(bytes(80_000_000), 9)
    yield "text bomb", "photo.png", png(9, 9, *(chunk(b"zTXt", b"a\0\0" + bomb) for _ in range(3))), REFUSED  # fmt: skip
    yield "profile bomb", "photo.png", png(9, 9, chunk(b"iCCP", b"a\0\0" + bomb)), REFUSED
    yield (
        "pixel data bomb",
        "photo.png",
        png(9, 9, data=zlib.compress(bytes(90_000_000), 9)),
        STORED,
    )
    yield "truncated JPEG", "photo.jpg", picture(size=(200, 200))[:-2000], REFUSED
    yield "truncated PNG", "photo.png", picture("PNG", size=(200, 200))[:-2000], REFUSED
    yield "truncated WebP", "photo.webp", picture("WEBP", size=(200, 200))[:-2000], REFUSED
    yield "head of a JPEG", "photo.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", REFUSED
    yield "wrong checksum", "photo.png", png(9, 9).replace(b"IDAT", b"IDAt"), REFUSED
    yield "zip as png", "photo.png", zipped("a", content=bytes(1_000_000)), REFUSED
    yield "ImageMagick script", "photo.png", b"push graphic-context\nimage over 0,0 0,0 '|id'\n", REFUSED  # fmt: skip
    for kind in ("BMP", "TIFF", "ICO", "PCX", "PPM", "GIF", "ICNS", "JPEG2000", "TGA"):
        yield f"{kind} as png", "photo.png", picture(kind, size=(32, 32)), REFUSED
    yield "HEIC as jpg", "photo.jpg", b"\0\0\0\x18ftypheic" + bytes(200), REFUSED
    yield "moving PNG", "moving.png", animation("PNG"), STORED
    yield "moving WebP", "moving.webp", animation("WEBP"), STORED
    yield "empty picture", "photo.jpg", b"", REFUSED
    yield "too large a picture", "photo.jpg", picture() + bytes(LIMIT), REFUSED
    yield "CMYK", "photo.jpg", picture(mode="CMYK"), STORED
    yield "16 bits", "photo.png", picture("PNG", mode="I;16"), STORED
    yield "pdf as png", "photo.png", PDF, REFUSED


@functools.cache
def corpus() -> list[Case]:
    types = [
        "text/html",
        "image/svg+xml",
        "application/pdf",
        "image/png",
        "text/html; charset=utf-7",
    ]
    cases = []
    for field, makers in (("file", documents()), ("picture", pictures())):
        for number, (title, name, content, stored) in enumerate(makers):
            file = File(name, content, types[number % len(types)], field)
            cases.append(Case(title, file, stored))
    return cases


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for case in corpus():
        (folder / case.title.replace("/", "_")).write_bytes(case.file.content)


if __name__ == "__main__":
    main()
