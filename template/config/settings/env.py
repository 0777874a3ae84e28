"""The environment variables that configure the site; .env.example lists them all."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from environs import Env

BASE_DIR = Path(__file__).resolve().parents[2]

env = Env()
env.read_env(BASE_DIR / ".env", recurse=False)


def required(name: str) -> str:
    """The value of a variable that production cannot do without."""
    if value := env.str(name, ""):
        return value
    raise ImproperlyConfigured(
        f"{name} is not set: production needs it, in the environment or in .env "
        "(.env.example says what it is)."
    )


def listed(value: str) -> list[str]:
    """The parts of "one, two"."""
    return [part.strip() for part in value.split(",") if part.strip()]
