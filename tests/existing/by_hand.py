"""Projects that somebody wrote by hand, or long ago."""

from __future__ import annotations

from collections.abc import Callable

from .edits import blog_files, edited

Files = dict[str, str]


def environment() -> Callable[[], Files]:
    """One settings module that reads the environment, views beside the URLs, pytest."""

    def make() -> Files:
        files = blog_files("5.2.8")
        files["mysite/settings.py"] = edited(
            files["mysite/settings.py"],
            ("from pathlib import Path", "import os\nfrom pathlib import Path"),
            ("DEBUG = True", "DEBUG = os.environ.get('DEBUG', '1') == '1'"),
            ("ALLOWED_HOSTS = []", "ALLOWED_HOSTS = os.environ.get('HOSTS', 'localhost').split(',')"),
        ) + "\nif not DEBUG:\n    SECURE_SSL_REDIRECT = True\n"  # fmt: skip
        files["mysite/urls.py"] = edited(
            files["mysite/urls.py"],
            ("admin\nfrom django.urls import include, path\n",
             "admin\nfrom django.urls import include, path\n\nfrom . import views\n"),
            ("urlpatterns = [\n", "urlpatterns = [\n    path('', views.home, name='home'),\n"),
            ("path('admin/'", "path('backstage/'"),
        )  # fmt: skip
        files |= {
            "mysite/views.py": "from django.http import HttpResponse\n\n\ndef home(request):\n"
            "    return HttpResponse('My own home')\n",
            "mysite/tests.py": "from django.test import TestCase\n\n\nclass HomeTests(TestCase):\n"
            "    def test_home(self):\n"
            "        self.assertContains(self.client.get('/'), 'My own home')\n",
            "pytest.ini": "[pytest]\nDJANGO_SETTINGS_MODULE = mysite.settings\n",
        }
        return files

    return make


def old_style() -> Callable[[], Files]:
    """Begun with an old Django: os.path everywhere, no version in the settings."""

    def make() -> Files:
        files = blog_files("3.2.25")
        text = files["mysite/settings.py"]
        text = text[text.index('"""', 3) + 4 :]
        files["mysite/settings.py"] = edited(
            text,
            ("from pathlib import Path", "import os"),
            ("Path(__file__).resolve().parent.parent",
             "os.path.dirname(os.path.dirname(os.path.abspath(__file__)))"),
            ("BASE_DIR / 'db.sqlite3'", "os.path.join(BASE_DIR, 'db.sqlite3')"),
            ("'DIRS': [],", "'DIRS': [os.path.join(BASE_DIR, 'templates')],"),
        ) + "STATIC_ROOT = os.path.join(BASE_DIR, 'static_root')\n"  # fmt: skip
        files["templates/404.html"] = "<p>Not here</p>\n"
        return files

    return make
