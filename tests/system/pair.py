"""Two workers, each with a registry of its own: for what several workers share beside the requests.

gunicorn reads this file as its configuration (`--config tests/system/pair.py`) and takes the app from it. A connection
that is kept alive stays with its worker, so a client that uses one finds its requests again.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

from typing import Any  # noqa: E402

from assistant import gunicorn as ours  # noqa: E402
from assistant.gunicorn import *  # noqa: E402, F403

workers = 2
# a connection is a worker here: on a busy machine it may be idle for longer than the server's own 5 s
keepalive = 75


def on_starting(server: Any) -> None:
    """All that ours does but its refusal."""
    ours._share_metrics(server.cfg)


def app(environ: dict[str, Any], start_response: Any) -> Any:
    from tests.system.app import app as served

    return served({**environ, "wsgi.multiprocess": False}, start_response)


def post_worker_init(worker: Any) -> None:
    import tests.system.app  # noqa: F401 - so that the hook finds it

    ours.post_worker_init(worker)
