"""Settings of a developer's machine: no variable, no service needed."""

from .base import *
from .env import env

DEBUG = True
SECRET_KEY = "only-for-development-never-in-production"
ALLOWED_HOSTS = env.list("DJANGO_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
