"""startproject, and what people do to it."""

from __future__ import annotations

from collections.abc import Callable

from hooks.adopting.modules import double_quoted
from hooks.adopting.startproject import startproject

Files = dict[str, str]
SECRET = "django-insecure-3^w@k!f9h-e5s(8v=0z7y$l2+q1x4j6c%b&d*g_n#m"


def edited(text: str, *changes: tuple[str, str]) -> str:
    """The text with each first string replaced by the second; each must be there."""
    for old, new in changes:
        assert old in text, f"{old!r} is not in\n{text}"
        text = text.replace(old, new, 1)
    return text


def begun(version: str) -> Files:
    return {**startproject("mysite", version, SECRET), ".gitignore": "*.pyc\ndb.sqlite3\n"}


def untouched(version: str) -> Callable[[], Files]:
    return lambda: begun(version)


POSTS = {
    "posts/__init__.py": "",
    "posts/apps.py": "from django.apps import AppConfig\n\n\nclass PostsConfig(AppConfig):\n"
    "    default_auto_field = 'django.db.models.BigAutoField'\n    name = 'posts'\n",
    "posts/models.py": "from django.db import models\n\n\nclass Post(models.Model):\n"
    "    title = models.CharField(max_length=100)\n    body = models.TextField(blank=True)\n",
    "posts/admin.py": "from django.contrib import admin\n\nfrom .models import Post\n\n"
    "admin.site.register(Post)\n",
    "posts/migrations/__init__.py": "",
    "posts/migrations/0001_initial.py": "from django.db import migrations, models\n\n\n"
    "class Migration(migrations.Migration):\n    initial = True\n    dependencies = []\n"
    "    operations = [\n        migrations.CreateModel(\n            name='Post',\n"
    "            fields=[\n                ('id', models.BigAutoField(auto_created=True, "
    "primary_key=True, serialize=False, verbose_name='ID')),\n"
    "                ('title', models.CharField(max_length=100)),\n"
    "                ('body', models.TextField(blank=True)),\n            ],\n        ),\n    ]\n",
    "posts/views.py": "from django.http import HttpResponse\n\nfrom .models import Post\n\n\n"
    "def index(request):\n    return HttpResponse(', '.join(p.title for p in Post.objects.all()))\n",
    "posts/urls.py": "from django.urls import path\n\nfrom . import views\n\n"
    "app_name = 'posts'\nurlpatterns = [path('', views.index, name='index')]\n",
    "posts/tests.py": "from django.test import TestCase\nfrom django.urls import reverse\n\n"
    "from .models import Post\n\n\nclass PostTests(TestCase):\n    def test_index(self):\n"
    "        Post.objects.create(title='First')\n"
    "        response = self.client.get(reverse('posts:index'))\n"
    "        self.assertContains(response, 'First')\n",
}  # fmt: skip


def blog_files(version: str) -> Files:
    files = {**begun(version), **POSTS}
    files["mysite/settings.py"] = edited(
        files["mysite/settings.py"],
        ("INSTALLED_APPS = [\n", "INSTALLED_APPS = [\n    'posts.apps.PostsConfig',  # the blog\n"),
        ("'django.contrib.staticfiles',\n", "'django.contrib.staticfiles',\n"
         "    'django.contrib.humanize',\n"),
        ("LANGUAGE_CODE = 'en-us'", "# Our readers are in Kiel.\nLANGUAGE_CODE = 'de'"),
        ("TIME_ZONE = 'UTC'", "TIME_ZONE = 'Europe/Berlin'"),
    )  # fmt: skip
    files["mysite/settings.py"] += (
        "\nPOSTS_PER_PAGE = 20\nDEFAULT_FROM_EMAIL = 'blog@example.com'\n"
    )
    files["mysite/urls.py"] = edited(
        files["mysite/urls.py"],
        ("from django.urls import path", "from django.urls import include, path"),
        ("path('admin/', admin.site.urls),\n",
         "path('admin/', admin.site.urls),\n    path('posts/', include('posts.urls')),\n"),
    )  # fmt: skip
    return files


def blog(version: str) -> Callable[[], Files]:
    return lambda: blog_files(version)


def databases(version: str) -> Callable[[], Files]:
    def make() -> Files:
        files = blog_files(version)
        files["mysite/settings.py"] = edited(
            files["mysite/settings.py"],
            ("        'NAME': BASE_DIR / 'db.sqlite3',\n    }\n",
             "        'NAME': BASE_DIR / 'data' / 'blog.sqlite3',\n"
             "        'OPTIONS': {'timeout': 20},\n    },\n    'archive': {\n"
             "        'ENGINE': 'django.db.backends.sqlite3',\n"
             "        'NAME': BASE_DIR / 'archive.sqlite3',\n    },\n"),
        )  # fmt: skip
        files["data/.gitkeep"] = ""
        return files

    return make


def postgresql(version: str) -> Callable[[], Files]:
    def make() -> Files:
        files = blog_files(version)
        files["mysite/settings.py"] = edited(
            files["mysite/settings.py"],
            ("from pathlib import Path", "import os\nfrom pathlib import Path"),
            ("        'ENGINE': 'django.db.backends.sqlite3',\n"
             "        'NAME': BASE_DIR / 'db.sqlite3',\n",
             "        'ENGINE': 'django.db.backends.postgresql',\n        'NAME': 'blog',\n"
             "        'USER': os.environ.get('PGUSER', 'blog'),\n"
             "        'PASSWORD': os.environ.get('PGPASSWORD', ''),\n"
             "        'HOST': 'localhost',\n"),
        )  # fmt: skip
        files["requirements.txt"] = "Django==5.2.8\npsycopg[binary]>=3.2\nfeedparser==6.0.11\n"
        files["README.md"] = "# The blog\n\nHow it is run.\n"
        return files

    return make


def custom_user(version: str) -> Callable[[], Files]:
    def make() -> Files:
        files = blog_files(version)
        files["mysite/settings.py"] = (
            edited(
                files["mysite/settings.py"],
                ("    'posts.apps", "    'accounts',\n    'posts.apps"),
            )
            + "\nAUTH_USER_MODEL = 'accounts.Member'\nLOGIN_REDIRECT_URL = '/posts/'\n"
        )
        files |= {
            "accounts/__init__.py": "",
            "accounts/models.py": "from django.contrib.auth.models import AbstractUser\n"
            "from django.db import models\n\n\nclass Member(AbstractUser):\n"
            "    number = models.IntegerField(default=0)\n",
            "accounts/tests.py": "from django.contrib.auth import get_user_model\n"
            "from django.test import TestCase\n\n\nclass MemberTests(TestCase):\n"
            "    def test_model(self):\n        member = get_user_model().objects.create_user("
            "'ada')\n        self.assertEqual(member._meta.label, 'accounts.Member')\n",
        }
        return files

    return make


def static_and_media_files(version: str) -> Files:
    files = blog_files(version)
    files["mysite/settings.py"] = edited(
        files["mysite/settings.py"],
        ("'DIRS': [],", "'DIRS': [BASE_DIR / 'templates'],"),
        ("messages.context_processors.messages',\n",
         "messages.context_processors.messages',\n"
         "                'posts.context.menu',\n"),
        ("STATIC_URL = 'static/'\n",
         "STATIC_URL = '/static/'\nSTATIC_ROOT = BASE_DIR / 'collected'\n"
         "STATICFILES_DIRS = [BASE_DIR / 'assets']\n\n# What readers send us\n"
         "MEDIA_URL = '/media/'\nMEDIA_ROOT = BASE_DIR / 'uploads'\n"),
    )  # fmt: skip
    files["mysite/urls.py"] = edited(
        files["mysite/urls.py"],
        ("from django.contrib import admin",
         "from django.conf import settings\nfrom django.conf.urls.static import static\n"
         "from django.contrib import admin"),
    ) + "\nurlpatterns += static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT)\n"  # fmt: skip
    files |= {
        "posts/context.py": "def menu(request):\n    return {'menu': ['Posts']}\n",
        "assets/site.css": "body { color: black }\n",
        "templates/base.html": "<!doctype html>\n<title>My own</title>\n",
        ".gitignore": "*.pyc\n/collected/\n/uploads/\n.env\n",
    }
    return files


def static_and_media(version: str) -> Callable[[], Files]:
    return lambda: static_and_media_files(version)


def whitenoise(version: str) -> Callable[[], Files]:
    def make() -> Files:
        files = blog_files(version)
        files["mysite/settings.py"] = edited(
            files["mysite/settings.py"],
            ("'django.middleware.security.SecurityMiddleware',\n",
             "'django.middleware.security.SecurityMiddleware',\n"
             "    'whitenoise.middleware.WhiteNoiseMiddleware',\n"),
            ("ALLOWED_HOSTS = []", "ALLOWED_HOSTS = ['blog.example.com']"),
            ("STATIC_URL = 'static/'\n",
             "STATIC_URL = 'static/'\nSTATIC_ROOT = BASE_DIR / 'staticfiles'\nSTORAGES = {\n"
             "    'default': {'BACKEND': 'django.core.files.storage.FileSystemStorage'},\n"
             "    'staticfiles': {\n"
             "        'BACKEND': 'whitenoise.storage.CompressedManifestStaticFilesStorage',\n"
             "    },\n}\n"),
        )  # fmt: skip
        files["Procfile"] = "web: gunicorn mysite.wsgi --workers 3\n"
        files["requirements.txt"] = "Django>=4.2,<5\nwhitenoise==6.6.0\ngunicorn\n"
        return files

    return make


def buckets(version: str) -> Callable[[], Files]:
    def make() -> Files:
        files = static_and_media_files(version)
        files["mysite/settings.py"] += (
            "\nimport os\n\nSTORAGES = {\n    'default': {\n"
            "        'BACKEND': 'storages.backends.s3.S3Storage',\n        'OPTIONS': {\n"
            "            'bucket_name': os.environ.get('BUCKET', 'blog'),\n"
            "            'endpoint_url': 'https://account.r2.cloudflarestorage.com',\n"
            "        },\n    },\n    'staticfiles': {\n        'BACKEND': "
            "'django.contrib.staticfiles.storage.StaticFilesStorage',\n    },\n}\n"
        )
        return files

    return make


def black(version: str) -> Callable[[], Files]:
    """startproject with black on PATH, which Django then runs; and an own DEBUG block."""

    def make() -> Files:
        files = {
            name: double_quoted(text) if name.endswith(".py") else text
            for name, text in blog_files(version).items()
        }
        files["mysite/settings.py"] += (
            '\nif DEBUG:\n    INTERNAL_IPS = ["127.0.0.1"]\n    INSTALLED_APPS += ["django.contrib'
            '.sites"]\n    SITE_ID = 1\n'
        )
        files["mysite/celery.py"] = (
            'import os\n\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n'
        )
        return files

    return make
