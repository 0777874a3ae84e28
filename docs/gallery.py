"""Render the example projects of docs/gallery.md: python docs/gallery.py FOLDER."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from projects import REPOSITORY, export, render


def examples() -> dict[str, dict[str, Any]]:
    """The name of each example, and its answers: the defaults, and every preset."""
    presets = sorted((REPOSITORY / "presets").glob("*.yml"))
    answers = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in presets}
    return {"defaults": {}, **answers}


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        template = export(Path(scratch) / "template")
        for name, answers in examples().items():
            render(template, folder / name, **answers)
            print(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
