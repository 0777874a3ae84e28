"""The ASGI application, with the settings of production."""

import os
import sys

from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured
from environs import EnvError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

try:
    application = get_asgi_application()
except (EnvError, ImproperlyConfigured) as error:
    print(error, file=sys.stderr, flush=True)
    sys.exit(3)  # gunicorn does not try again after a 3
