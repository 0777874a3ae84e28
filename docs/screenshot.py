"""Take docs/images/start-page.png, and -dark, from a default project that really runs.

.venv/bin/python docs/screenshot.py
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser import chromium
from PIL import Image
from projects import REPOSITORY, Project, environment, export, render

IMAGES = REPOSITORY / "docs" / "images"


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        template = export(Path(scratch) / "template")
        # The page tells its folder: one with a short name, the same every time.
        place = Path(tempfile.gettempdir()) / "my-site"
        if place.exists():
            sys.exit(f"{place} exists: the project of the picture would go there.")
        try:
            project = Project(render(template, place), environment())
            project.manage("migrate")
            with (
                project.serve("python", "manage.py", "runserver", "--noreload", "{port}") as server,
                chromium() as browser,
            ):
                for scheme, name in (("light", "start-page.png"), ("dark", "start-page-dark.png")):
                    page = browser.new_page(
                        color_scheme=scheme, viewport={"width": 1000, "height": 640}
                    )
                    page.goto(server.url)
                    picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
                    picture.convert("RGB").quantize(64).save(IMAGES / name, optimize=True)
                    print(IMAGES / name)
        finally:
            shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
