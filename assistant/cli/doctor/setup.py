"""What the facts of a set-up (see probe.py) say is wrong with it: each rule a few lines, none of them looks anywhere."""

from __future__ import annotations

import ipaddress
from typing import Any

from .findings import Findings

# Connections beside the streams: POSTs, health, idle keep-alives.
_BESIDE = 200
# Descriptors beside the connections: listeners, models, the store, logs, a spare loop.
_FILES = 100
_GEVENT = ("gevent", "gunicorn.workers.ggevent.GeventWorker", "assistant.worker.Worker")


def examine(facts: dict[str, Any], findings: Findings) -> None:
    """Adds what is wrong."""
    _patching(facts, findings)
    for name in facts["blocking"]:
        findings.fault("blocking_library", f"{name} waits in C and stops every stream while it does", _INSTEAD[name])
    if problem := facts.get("problem"):
        findings.fault("load_failed", f"the app cannot be served: {problem}", "start it by hand and read what it says")
    else:
        _secrets(facts, findings)
    _server(facts, findings)


_INSTEAD = {
    "psycopg2": "use psycopg 3, or psycogreen.gevent.patch_psycopg() at the start",
    "grpc": "call grpc.experimental.gevent.init_gevent() at the start",
    "MySQLdb": "use PyMySQL",
    "pyodbc": "call it in gevent.get_hub().threadpool",
    "cx_Oracle": "use oracledb in thin mode",
    "pylibmc": "use pymemcache",
    "zmq": "use zmq.green",
}


def _patching(facts: dict[str, Any], findings: Findings) -> None:
    first = "make `from gevent import monkey; monkey.patch_all()` the first line of the module that is served"
    if not facts["patched"]:
        findings.fault("unpatched", "gevent has patched nothing: the first wait stops every request", first)
    elif facts["early"] or facts["warnings"]:
        early = ", ".join(facts["early"]) or facts["warnings"][0]
        findings.fault("late_patch", f"gevent patches after these were imported: {early}", first)


def _secrets(facts: dict[str, Any], findings: Findings) -> None:
    if facts["weak_secret"]:
        findings.fault(
            "weak_secret",
            f"the secret that signs tokens can be guessed: {facts['weak_secret']}",
            "JWT_SECRET_KEY=$(python -c 'import secrets; print(secrets.token_hex())')",
        )
    if facts["cors"] not in ("", "null") and facts["cors"] not in facts["origins"]:
        findings.fault(
            "open_cors",
            f"pages of any origin may call (Access-Control-Allow-Origin: {facts['cors']})",
            "name your origins in ASSISTANT_ORIGINS, and keep the app's own CORS away from these routes",
        )
    for origin in facts["origins"]:
        if origin.startswith("http://") and not loopback(origin.removeprefix("http://").partition(":")[0]):
            findings.warn(
                "plain_origin", f"{origin} has no TLS: whoever is on the way may act as its users", "use https"
            )


def _server(facts: dict[str, Any], findings: Findings) -> None:
    gunicorn, settings = facts["gunicorn"], facts.get("settings")
    if problem := gunicorn.get("problem"):
        findings.fault("gunicorn_config", f"gunicorn's configuration cannot be read: {problem}", "see --gunicorn")
        return
    if gunicorn["worker_class"] not in _GEVENT or gunicorn["threads"] > 1:
        findings.fault(
            "worker_class",
            f"the worker class is {gunicorn['worker_class']}: one open stream would hold a whole worker",
            "worker_class = 'gevent' (as in assistant.gunicorn), threads = 1",
        )
    if gunicorn["preload"]:
        findings.fault(
            "preload", "the app is loaded before the workers exist, and shares their locks", "preload_app = False"
        )
    if not gunicorn["keepalive"]:
        findings.fault("keepalive", "keepalive = 0 leaves clients no time for their headers", "keepalive = 5")
    if not gunicorn["hooked"]:
        findings.warn(
            "no_drain",
            "nothing ends streams when the server stops: they are cut",
            "gunicorn -c python:assistant.gunicorn, or call its post_worker_init in yours",
        )
    if settings:
        _capacity(facts, gunicorn, settings, findings)
        _exposure(facts, gunicorn, settings, findings)


def _capacity(facts: dict[str, Any], gunicorn: dict[str, Any], settings: dict[str, Any], findings: Findings) -> None:
    streams, connections = settings["max_streams"], gunicorn["worker_connections"]
    if connections < streams + _BESIDE:
        findings.fault(
            "worker_connections",
            f"worker_connections = {connections} is below the cap of {streams} streams: the next client hangs unheard",
            f"worker_connections = {2 * streams + _BESIDE}, or a smaller ASSISTANT_MAX_STREAMS",
        )
    if facts["descriptors"] < streams + _BESIDE + _FILES:
        findings.fault(
            "descriptors",
            f"a process may open {facts['descriptors']} files, fewer than {streams} streams and the rest need",
            f"LimitNOFILE={4 * (streams + _BESIDE)} in the unit, or ulimit -Hn",
        )
    if settings["registry"].startswith("memory:") and gunicorn["workers"] > 1:
        findings.fault(
            "memory_registry",
            f"{gunicorn['workers']} workers cannot share memory://: most streams would be a 404",
            "WORKERS=1, or ASSISTANT_REGISTRY=redis://...",
        )
    if gunicorn["graceful_timeout"] <= settings["drain_timeout"]:
        findings.warn(
            "graceful_timeout",
            f"gunicorn kills after {gunicorn['graceful_timeout']} s what may drain for {settings['drain_timeout']:g} s",
            "graceful_timeout 5 s above ASSISTANT_DRAIN_TIMEOUT",
        )


def _exposure(facts: dict[str, Any], gunicorn: dict[str, Any], settings: dict[str, Any], findings: Findings) -> None:
    public = [address for address in gunicorn["bind"] if not _private(address)]
    if not public:
        return
    if settings["guests"]:
        findings.fault(
            "public_guests",
            f"guests are let in at {public[0]}: anybody who gets there may use the model",
            "ASSISTANT_GUESTS=0, or HOST=127.0.0.1 behind a proxy that asks for a login",
        )
    if not facts["metrics_token"]:
        findings.warn(
            "public_metrics", f"/metrics is open to whoever reaches {public[0]}", "set ASSISTANT_METRICS_TOKEN"
        )


def _private(address: str) -> bool:
    if address.startswith(("unix:", "fd://")):
        return True
    return loopback(address.rpartition(":")[0].removeprefix("tcp://").strip("[]"))


def loopback(host: str) -> bool:
    """Whether only this machine is meant."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
