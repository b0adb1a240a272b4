"""gunicorn reads this file by its name; the values and their reasons are in assistant/gunicorn.py."""

from gevent import monkey

monkey.patch_all()  # before anything else is imported

from assistant.gunicorn import *  # noqa: E402, F403
