"""`manage.py startapp blog`: a new app where this project keeps its apps."""

import shutil
import subprocess
import sys
from keyword import iskeyword
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management import CommandError
from django.core.management.commands import startapp

PACKAGE = Path(__file__).parents[3]


class Command(startapp.Command):
    help = f"Creates an app in {PACKAGE.name}/, or in the directory that is given."

    def handle(self, *args: Any, **options: Any) -> None:
        name: str = options["name"]
        if options["directory"] is not None:
            super().handle(**options)
            return
        target = PACKAGE / name
        if not name.isidentifier() or iskeyword(name):
            raise CommandError(f"'{name}' is not a valid app name: choose another, such as blog.")
        if target.exists():
            raise CommandError(f"{PACKAGE.name}/{name} exists already: choose another name.")
        if name in apps.app_configs:
            raise CommandError(
                f"{apps.app_configs[name].name} is an installed app, and two apps cannot both be "
                f"called {name}: choose another name."
            )
        target.mkdir()
        try:
            super().handle(**{**options, "directory": str(target)})
            config = target / "apps.py"
            config.write_text(
                config.read_text().replace(f"name = '{name}'", f'name = "{PACKAGE.name}.{name}"')
            )
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
        # Django's new modules import what most apps come to need; ruff takes those lines away.
        for task in (["check", "--fix"], ["format"]):
            tidy = [sys.executable, "-m", "ruff", *task, "--quiet", str(target)]
            subprocess.run(tidy, check=False)  # noqa: S603
        self.stdout.write(
            f'Created {PACKAGE.name}/{name}. Now add "{PACKAGE.name}.{name}" to INSTALLED_APPS '
            "in config/settings/base.py."
        )
