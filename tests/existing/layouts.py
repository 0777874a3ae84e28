"""Projects whose settings are split already."""

from __future__ import annotations

from collections.abc import Callable

from .edits import POSTS, blog_files, edited

Files = dict[str, str]


def split(version: str) -> Callable[[], Files]:
    """mysite/settings/base.py, dev.py and prod.py."""

    def make() -> Files:
        files = blog_files(version)
        base = edited(
            files.pop("mysite/settings.py"),
            ("resolve().parent.parent", "resolve().parent.parent.parent"),
            ("# SECURITY WARNING: don't run with debug turned on in production!\nDEBUG = True\n\n"
             "ALLOWED_HOSTS = []\n", ""),
        )  # fmt: skip
        files |= {
            "mysite/settings/__init__.py": "",
            "mysite/settings/base.py": base,
            "mysite/settings/dev.py": "from .base import *\n\nDEBUG = True\nALLOWED_HOSTS = ['*']\n"
            "EMAIL_BACKEND = 'django.core.mail.backends.console.EmailBackend'\n",
            "mysite/settings/prod.py": "import os\n\nfrom .base import *\n\nDEBUG = False\n"
            "SECRET_KEY = os.environ['SECRET_KEY']\nALLOWED_HOSTS = ['blog.example.com']\n"
            "SECURE_HSTS_SECONDS = 3600\n",
            "mysite/settings/staging.py": "from .prod import *\n\nALLOWED_HOSTS = ['staging']\n",
        }
        for name in ("manage.py", "mysite/wsgi.py", "mysite/asgi.py"):
            new = "mysite.settings.dev" if name == "manage.py" else "mysite.settings.prod"
            files[name] = edited(files[name], ("mysite.settings", new))
        return files

    return make


COOKIECUTTER_BASE = '''"""Base settings to build other settings files upon."""

from pathlib import Path

import environs

BASE_DIR = Path(__file__).resolve(strict=True).parent.parent.parent
# shop/
APPS_DIR = BASE_DIR / "shop"
env = environs.Env()

READ_DOT_ENV_FILE = env.bool("DJANGO_READ_DOT_ENV_FILE", default=False)
if READ_DOT_ENV_FILE:
    # OS environment variables take precedence over variables from .env
    env.read_env(str(BASE_DIR / ".env"))

# GENERAL
# ------------------------------------------------------------------------------
DEBUG = env.bool("DJANGO_DEBUG", False)
TIME_ZONE = "Europe/Paris"
LANGUAGE_CODE = "fr-fr"
USE_I18N = True
USE_TZ = True
LOCALE_PATHS = [str(BASE_DIR / "locale")]

# DATABASES
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.sqlite3"}}
DATABASES["default"]["ATOMIC_REQUESTS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

DJANGO_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.admin",
]
THIRD_PARTY_APPS = []
LOCAL_APPS = [
    "shop.people",
]
INSTALLED_APPS = DJANGO_APPS + THIRD_PARTY_APPS + LOCAL_APPS

AUTH_USER_MODEL = "people.Person"
LOGIN_URL = "/admin/login/"

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

STATIC_ROOT = str(BASE_DIR / "staticfiles")
STATIC_URL = "/static/"
STATICFILES_DIRS = [str(APPS_DIR / "static")]
MEDIA_ROOT = str(APPS_DIR / "media")
MEDIA_URL = "/media/"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [str(APPS_DIR / "templates")],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.template.context_processors.i18n",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
ADMIN_URL = "admin/"
ADMINS = [("Ada", "ada@example.com")]
'''


def cookiecutter() -> Callable[[], Files]:
    """As cookiecutter-django lays a project out."""

    def make() -> Files:
        person = (
            "from django.contrib.auth.models import AbstractUser\n\n\n"
            "class Person(AbstractUser):\n    pass\n"
        )
        return {
            "manage.py": '#!/usr/bin/env python\nimport os\nimport sys\nfrom pathlib import Path\n'
            '\nif __name__ == "__main__":\n    os.environ.setdefault("DJANGO_SETTINGS_MODULE", '
            '"config.settings.local")\n    from django.core.management import '
            "execute_from_command_line\n\n    # This allows easy placement of apps within the "
            'interior shop directory.\n    sys.path.append(str(Path(__file__).parent / "shop"))\n'
            "    execute_from_command_line(sys.argv)\n",
            "config/__init__.py": "",
            "config/settings/__init__.py": "",
            "config/settings/base.py": COOKIECUTTER_BASE,
            "config/settings/local.py": "from .base import *\nfrom .base import env\n\nDEBUG = True\n"
            'SECRET_KEY = env("DJANGO_SECRET_KEY", default="local-only")\n'
            'ALLOWED_HOSTS = ["localhost", "0.0.0.0"]\n',
            "config/settings/production.py": "from .base import *\nfrom .base import env\n\n"
            'SECRET_KEY = env("DJANGO_SECRET_KEY")\n'
            'ALLOWED_HOSTS = env.list("DJANGO_ALLOWED_HOSTS", default=["shop.example.com"])\n',
            "config/settings/test.py": "from .base import *\n\nSECRET_KEY = \"test\"\n"
            'TEST_RUNNER = "django.test.runner.DiscoverRunner"\n',
            "config/urls.py": "from django.conf import settings\nfrom django.contrib import admin\n"
            "from django.urls import path\n\nurlpatterns = [\n"
            "    path(settings.ADMIN_URL, admin.site.urls),\n]\n",
            "config/wsgi.py": "import os\n\nfrom django.core.wsgi import get_wsgi_application\n\n"
            'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")\n'
            "application = get_wsgi_application()\n",
            "shop/__init__.py": '__version__ = "0.1.0"\n',
            "shop/people/__init__.py": "",
            "shop/people/models.py": person,
            "shop/static/shop.css": "p { margin: 0 }\n",
            "shop/templates/base.html": "<!doctype html><title>Shop</title>\n",
            "pyproject.toml": '[project]\nname = "shop"\nversion = "0.1.0"\n'
            'description = "A shop"\nrequires-python = ">=3.13"\ndependencies = [\n'
            '  "django==5.2.8",\n  "environs>=15",\n]\n\n[tool.pytest.ini_options]\n'
            'addopts = "--ds=config.settings.test"\n\n[tool.ruff]\nline-length = 119\n',
            ".pre-commit-config.yaml": "repos: []\n",
            "Dockerfile": "FROM python:3.13\nCMD gunicorn config.wsgi\n",
            ".github/workflows/ci.yml": "on: push\njobs: {}\n",
            "README.md": "# Shop\n",
        }  # fmt: skip

    return make


assert POSTS
