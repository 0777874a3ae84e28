"""The WSGI application, with the settings of production."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from environs import EnvError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

try:
    application = get_wsgi_application()
except (EnvError, ImproperlyConfigured) as error:
    print(error, file=sys.stderr, flush=True)
    sys.exit(3)  # gunicorn does not try again after a 3
