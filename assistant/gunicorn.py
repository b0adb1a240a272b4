"""Settings and hooks for gunicorn: `gunicorn wsgi:app` here, `gunicorn -c python:assistant.gunicorn wsgi:app` elsewhere."""

from gevent import monkey

monkey.patch_all()  # the first thing in the master too: nothing imported later holds a native lock

import gc  # noqa: E402
import math  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import shutil  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import uuid  # noqa: E402
from collections.abc import Callable  # noqa: E402
from importlib.util import find_spec  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import mkdtemp  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from gunicorn.glogging import Logger  # noqa: E402

# Who spawned a greenlet, and from which lines, is a kilobyte of each: for debugging only.
gevent.config.track_greenlet_tree = False

# Exit code for a configuration that cannot work (EX_CONFIG, sysexits.h).
_EX_CONFIG = 78
# Where prometheus_client looks for the files that workers share, and the process that chose the folder.
_SHARED, _MADE_BY = "PROMETHEUS_MULTIPROC_DIR", "_ASSISTANT_METRICS_MADE_BY"
# Exit code by which a worker tells the master that it need not try again (gunicorn.arbiter).
_APP_LOAD_ERROR = 4
# How long an exiting worker waits for receivers of the last `processing_finished`; seconds.
_LAST_WORDS = 2.0
# How often a worker looks whether it should drain for a reason that sends no signal (max_requests); seconds.
_LOOK = 0.5

# The last seconds of a graceful stop, in which clients take what is left; the app has ended every request by then.
_LAST_SECONDS = 5


def _number(name: str, default: int, low: int, high: float = float("inf")) -> int:
    """A number of the environment. Ends the server, in one line, for what is none."""
    given = os.environ.get(name) or str(default)
    try:
        value = math.ceil(float(given))
    except (ValueError, OverflowError):
        value = None
    if value is None or not low <= value <= high:
        bounds = f"{low} or more" if high == float("inf") else f"from {low} to {high}"
        print(f"assistant: {name}={given!r} is not a number, {bounds}", file=sys.stderr, flush=True)
        sys.exit(_EX_CONFIG)
    return value


_streams = _number("ASSISTANT_MAX_STREAMS", 1000, 1)

bind = f"{os.environ.get('HOST') or '127.0.0.1'}:{_number('PORT', 8000, 0, 65535)}"
worker_class = "assistant.worker.Worker"  # gunicorn's gevent worker, with a shorter way for plain requests
_shared = not (os.environ.get("ASSISTANT_REGISTRY") or "memory://").startswith("memory:")
# Memory belongs to one process, see on_starting; over Redis every core gets a worker.
workers = _number("WORKERS", len(os.sched_getaffinity(0)) if _shared else 1, 1)
# The app has the real caps and answers 503; this one only hangs, and idle keep-alive connections count.
worker_connections = 2 * _streams + 200
# New connections that may wait while the loop is busy: a reconnect storm of every stream at once fits.
backlog = 2048
# Also the time a client has for its headers; 0 would mean none.
keepalive = 5
# The master kills a worker whose loop stands still this long.
timeout = 30
# Streams run to their end while the server stops; the app ends the rest by itself before the time is up.
graceful_timeout = _number("ASSISTANT_DRAIN_TIMEOUT", 55, 0) + _LAST_SECONDS
# Recycling a worker cuts nothing, but a memory registry goes with it.
max_requests = 0
# gevent must patch before the app is imported, in each worker.
preload_app = False
# X-Forwarded-* is believed only from this host; ASSISTANT_PROXIES says how many hops count.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS") or "127.0.0.1,::1"
# No header of a request says where the app is mounted or what its path is: any client could send it, also by way of a proxy.
forwarder_headers = ""
# No file beside the process that somebody could steer it by.
control_socket_disable = True
# The app writes its own line per request and stream.
accesslog = None


def on_starting(server: Any) -> None:
    """Refuses several workers over a registry that lives in one: three of four GETs would be 404."""
    _raise_descriptor_limit()
    registry = os.environ.get("ASSISTANT_REGISTRY") or "memory://"
    if server.cfg.workers > 1 and registry.startswith("memory:"):
        server.log.error(
            "%s workers cannot share ASSISTANT_REGISTRY=memory://; set WORKERS=1 (one gevent worker carries 1,000 streams) "
            "or ASSISTANT_REGISTRY=redis://...",
            server.cfg.workers,
        )
        sys.exit(_EX_CONFIG)
    # by this name the master frees what a dead worker held
    os.environ.setdefault("ASSISTANT_NODE", uuid.uuid4().hex[:8])
    if _shared:
        import assistant.registry.redis  # noqa: F401 - now, not when a worker has just died
    _share_metrics(server.cfg)


def child_exit(_: Any, worker: Any) -> None:
    """What a worker held is held no more, however it ended. Runs in the master, also after a kill -9."""
    if os.environ.get(_SHARED):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
    if _shared:
        from assistant.registry.redis import free_worker

        free_worker(
            os.environ["ASSISTANT_REGISTRY"], os.environ.get("ASSISTANT_REDIS_PREFIX") or "assistant", worker.pid
        )


def on_exit(_: Any) -> None:
    """Removes the folder of the metrics when it was made here."""
    if _made_here():
        shutil.rmtree(os.environ[_SHARED], ignore_errors=True)


def _share_metrics(cfg: Any) -> None:
    """Lets several workers count in files of one folder; what an earlier server counted in it is not ours."""
    inherited = os.environ.get(_MADE_BY) not in (None, str(os.getpid()))  # from the server that this one replaces
    if inherited:
        del os.environ[_SHARED], os.environ[_MADE_BY]
    if not os.environ.get(_SHARED):
        if cfg.workers < 2 or find_spec("prometheus_client") is None:
            return
        os.environ[_SHARED] = mkdtemp(prefix="assistant-metrics-")
        os.environ[_MADE_BY] = str(os.getpid())
    folder = Path(os.environ[_SHARED])
    folder.mkdir(parents=True, exist_ok=True)
    if _made_here() and os.geteuid() == 0:  # the workers may run as somebody else
        os.chown(folder, cfg.uid, cfg.gid)
    for old in folder.glob("*.db"):
        old.unlink()


def _made_here() -> bool:
    return os.environ.get(_MADE_BY) == str(os.getpid())


def _tame_collector() -> None:
    """What the app imported lives as long as the process: the collector need not look at it again. And it may look at
    the rest less often: a request makes no cycles, so there is little to find (measured: a fifth of the CPU). What was
    looked at twice is old at once: a look at five times as much held everybody up for 60 ms while 10,000 streams came."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 1, 400)


def post_worker_init(worker: Any) -> None:
    """Starts the janitor and arranges the drain: gunicorn itself gives an app no word of a stop."""
    _raise_descriptor_limit()
    _tame_collector()
    _refuse_open_debugging(worker.sockets)
    for web in _installed():
        web.janitor.ensure()
    graceful: Any = signal.getsignal(signal.SIGTERM)

    def on_term(number: int, frame: Any) -> None:
        graceful(number, frame)
        gevent.spawn(_drain, worker.cfg)

    signal.signal(signal.SIGTERM, on_term)
    gevent.spawn(_drain_when, lambda: not worker.alive, worker.cfg)
    _hold_for_tasks(worker)
    _allow_handover(worker)
    if worker.age == 1:
        _greet(worker.cfg.address[0])


def _refuse_open_debugging(listeners: Any) -> None:
    """Ends the server, in one line, when guests could reach the debugger from another host."""
    from assistant.config import ConfigError
    from assistant.extension import check_debugging

    for web in _installed():
        for listener in listeners:
            try:
                check_debugging(web.sender, web.settings, _host_of(listener.getsockname()))
            except ConfigError as problem:
                print(f"assistant: {problem}", file=sys.stderr, flush=True)
                sys.exit(_APP_LOAD_ERROR)


def _host_of(address: Any) -> str | None:
    """The host of a listening address; None for a Unix socket."""
    return address[0] if isinstance(address, tuple) else None


def _hold_for_tasks(worker: Any) -> None:
    """Lets a worker whose connections are gone live until its requests and their streams have ended: streams may have their
    own sockets, viewers may go on elsewhere, and the server itself would see nothing left to wait for. The app ends them in
    time (ASSISTANT_DRAIN_TIMEOUT)."""
    serve = worker.run

    def run() -> None:
        serve()
        ends = time.monotonic() + worker.cfg.graceful_timeout
        while time.monotonic() < ends and not _all_ended():
            worker.notify()
            gevent.sleep(_LOOK)

    worker.run = run


def _all_ended() -> bool:
    """Whether no request runs here any more, and no stream is open."""
    return all(web.service.idle and not len(web.service.viewers) for web in _installed())


def _allow_handover(worker: Any) -> None:
    """Lets streams take their sockets with them, now that this worker waits for them."""
    from assistant.web import handover  # late, as in _installed

    counted = worker.log.access_log_enabled or type(worker.log) is not Logger  # one for statsd counts without a log
    handover.allow(worker.log if counted else None)


def worker_int(worker: Any) -> None:
    """On SIGINT or SIGQUIT there is a tenth of a second left: every request gets its last event now."""
    worker.quitting = gevent.getcurrent()
    for web in _installed():
        web.service.stop_all("draining")


def worker_exit(server: Any, worker: Any) -> None:
    """Waits, with a bound, for what requests do after their last event: viewers get it, receivers may be saving it."""
    with gevent.Timeout(_LAST_WORDS, False):
        while not _all_ended():
            gevent.sleep(0.05)
    for web in _installed():
        web.service.registry.close()
    if (quitting := getattr(worker, "quitting", None)) is not None:
        quitting.kill()  # gunicorn's own exit after SIGINT, which would come too late and print a traceback


def _greet(address: Any) -> None:
    """Says where the server listens and what to try, when a person is looking."""
    if not os.environ.get("ASSISTANT_GREETING") or not isinstance(address, tuple):
        return
    host, port = address[0], address[1]
    here = "127.0.0.1" if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host
    for web in _installed():
        settings = web.settings
        print(
            _GREETING.format(
                base=f"http://{here}:{port}{settings.url_prefix}",
                page=_PAGE.format(f"http://{here}:{port}/") if web.sender.config.get("ASSISTANT_STANDALONE") else "",
                login=_AS_GUEST if settings.guests else _AS_USER,
                model=_NO_MODEL if settings.provider == "demo" else "",
            ),
            flush=True,
        )


def _drain_when(over: Callable[[], bool], cfg: Any) -> None:
    while not over():
        gevent.sleep(_LOOK)
    _drain(cfg)


def _drain(cfg: Any) -> None:
    """Every request ends before the master kills what is left, whatever the settings say."""
    for web in _installed():
        web.service.drain(within=max(0.0, cfg.graceful_timeout - _LAST_SECONDS))


def _installed() -> list[Any]:
    # imported late: this file is read before the worker class has set the process up
    from assistant.extension import installed

    return installed()


def _raise_descriptor_limit() -> None:
    """A stream is a descriptor: the soft limit of 1,024 would be the cap otherwise."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


_GREETING = """{page}
Assistant is listening at {base}

   BASE={base}
1. a token
   {login}
2. a request
   ID=$(curl -s $BASE/request -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
     -d '{{"prompt": "What is this server?", "mode": "chat"}}' | sed 's/.*"request_id":"\\([^"]*\\).*/\\1/')
3. its stream
   curl -N $BASE/stream/$ID -H "Authorization: Bearer $TOKEN"
{model}"""
_PAGE = "\nOpen {} in a browser.\n"
_AS_GUEST = """TOKEN=$(curl -s -X POST $BASE/session | sed 's/.*"access_token":"\\([^"]*\\).*/\\1/')"""
_AS_USER = "TOKEN=$(.venv/bin/flask --app wsgi assistant token me)"
_NO_MODEL = "\nThe built-in demo answers; README.md says how to set a real model. Ctrl-C stops the server.\n"
