"""How gunicorn serves the site: it reads this file by itself. WEB_CONCURRENCY: how many processes.

https://gunicorn.org/reference/settings/
"""

import os
import select
from pathlib import Path

from gunicorn.workers.gthread import ThreadWorker

from config.settings.logging import logging_as


class DrainingWorker(ThreadWorker):  # type: ignore[misc]
    """Once it is told to stop, it serves whom the kernel has let in already, and then closes.

    gunicorn's own keeps its socket open until its last answer is out, without looking at it: who
    comes meanwhile is cut off in the end, and a web server may not send an upload a second time.
    """

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                while select.select([listener], [], [], 0)[0]:
                    self.accept(listener)
                listener.close()


bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 4
worker_class = DrainingWorker
# Whoever stops the site must grant more than this, for requests in flight.
graceful_timeout = 25
# Longer than a web server in front keeps an idle connection: it closes them, not this side.
keepalive = 75
memory = Path("/dev/shm")  # noqa: S108
worker_tmp_dir = str(memory) if memory.is_dir() else None
control_socket_disable = True
logconfig_dict = logging_as("json")
