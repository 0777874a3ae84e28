"""The cache: a table of the database, which `migrate` makes, or Redis by CACHE_URL."""

from .env import env

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "django_cache",
        # Sign-in attempts are counted here: nobody may push them out by filling it.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
if url := env.str("CACHE_URL", ""):
    CACHES["default"] = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}
