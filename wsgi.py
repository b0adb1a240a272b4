"""The stand-alone server: `gunicorn wsgi:app` or, while developing, `flask --app wsgi run`."""

from gevent import monkey

monkey.patch_all()  # before anything else: a lock made earlier would be native and freeze the worker

import sys  # noqa: E402

from assistant import create_app  # noqa: E402
from assistant.config import ConfigError  # noqa: E402

# The exit code by which a worker tells gunicorn's master that it need not try again (gunicorn.arbiter).
_APP_LOAD_ERROR = 4

try:
    # nothing stands between this app and gunicorn, so streams may write their sockets themselves
    app = create_app({"ASSISTANT_SOCKET_DRIVER": True})
except ConfigError as problem:
    print(f"assistant: {problem}", file=sys.stderr)
    raise SystemExit(_APP_LOAD_ERROR) from None
