"""A plugin for what must come first: conftest.py would be too late, plugins have imported ssl and threading by then."""

import signal

from gevent import monkey

monkey.patch_all()

# A shell that starts a job in the background has it ignore SIGINT, and so would each server and client that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
