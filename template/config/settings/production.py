"""Settings of the running site: secrets and hosts come from the environment."""

from .base import *
from .env import env, listed, required
from .media import production_storages
from .security import *

DEBUG = False
SECRET_KEY = required("DJANGO_SECRET_KEY")
ALLOWED_HOSTS = listed(required("DJANGO_ALLOWED_HOSTS"))
CSRF_TRUSTED_ORIGINS = listed(env.str("DJANGO_CSRF_TRUSTED_ORIGINS", ""))

STORAGES = {**STORAGES, **production_storages}

LOGGING = logging_as("json")
