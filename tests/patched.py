"""A plugin that only patches: conftest.py would be too late, plugins have imported ssl and threading by then."""

from gevent import monkey

monkey.patch_all()
