"""How gunicorn serves the site: it reads this file by itself. WEB_CONCURRENCY: how many processes.

https://gunicorn.org/reference/settings/
"""

import os
from pathlib import Path

from config.settings.logging import logging_as

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 4
# Whoever stops the site (Compose, Kubernetes) grants more than this for requests in flight.
graceful_timeout = 25
# Longer than a web server in front keeps an idle connection: it closes them, not this side.
keepalive = 75
memory = Path("/dev/shm")  # noqa: S108
worker_tmp_dir = str(memory) if memory.is_dir() else None
control_socket_disable = True
logconfig_dict = logging_as("json")
