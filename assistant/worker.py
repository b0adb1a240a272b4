"""Worker: gunicorn's gevent worker with a shorter way for plain requests.

It looks at what a connection has brought without taking it. A plain request (`web/http.py`) is taken and answered here;
with the first that is not, the connection is gunicorn's for the rest of its life, and gunicorn finds every byte of it.
Where gunicorn is told to do more with a request than to answer it (an access log, hooks, TLS, the PROXY protocol, HTTP/2),
everything is.

What must stay true: what the app gets and what the client reads is what gunicorn would have given them, but for the number
of packets: a head goes with the first block of its body.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

import gevent
import gevent.socket
from gevent.pool import Group
from gunicorn import util
from gunicorn.glogging import Logger
from gunicorn.http.message import _ip_in_allow_list
from gunicorn.http.wsgi import FileWrapper, WSGIErrorsWrapper, _make_early_hints_callback, base_environ
from gunicorn.http.wsgi import Response as ServerResponse
from gunicorn.workers.ggevent import GeventWorker

from .web import http

# Most bytes that are looked at: a plain head, and a body as chat windows send it.
_LOOK = 16 * 1024
# Most reads of what a client has sent after its last request; the rest is its own fault.
_READS = 4
# Most bytes of a body that are copied to go with the head.
_JOIN = 64 * 1024
# How long a body that comes right after its head may take; seconds.
_MOMENT = 0.001
# How many addresses are remembered as trusted or not.
_PEERS = 1024
# A client that went away.
_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF})
# What gunicorn has to be told for the shorter way to be the same one.
_AS_DELIVERED = (
    "pre_request",
    "post_request",
    "protocol",
    "proxy_protocol",
    "http2_cleartext",
    "casefold_http_method",
    "permit_unconventional_http_method",
    "permit_unconventional_http_version",
    "permit_obsolete_folding",
    "strip_header_spaces",
)


class Worker(GeventWorker):  # type: ignore[misc]
    """`worker_class` of assistant.gunicorn."""

    alive: bool

    def init_process(self) -> None:
        cfg = self.cfg
        self._patience = cfg.keepalive  # for a next request; seconds
        self._short = _as_delivered(cfg) and _only_answers(self.log)
        self._reader = http.Reader(_limits(cfg), cfg.secure_scheme_headers)
        self._base = {
            **base_environ(cfg),
            "wsgi.errors": _Errors(cfg),
            "wsgi.multithread": True,
            "wsgi.url_scheme": "http",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SCRIPT_NAME": "",
        }
        self._waiting: set[Any] = set()  # the sockets whose clients have no request under way
        self._resumed = Group()  # the connections that have had a stream, each a greenlet
        self._trusts = lru_cache(_PEERS)(partial(_trusts, cfg))
        super().init_process()

    def run(self) -> None:
        super().run()
        ends = time.monotonic() + self.cfg.graceful_timeout
        for client in self._waiting:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RD)  # what has come by now is read and answered
        while self._resumed and time.monotonic() < ends:
            self.notify()
            self._resumed.join(timeout=1)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """A connection, from its first request to its end. gunicorn calls it in a greenlet of its own."""
        if not self._short or not isinstance(addr, tuple) or self._serve(listener, client, addr):
            super().handle(listener, client, addr)

    def _serve(self, listener: Any, client: Any, addr: Any) -> bool:
        """Answers plain requests. True when the connection has brought another one; else it is closed."""
        request = None
        try:
            server = listener.getsockname()
            connection = {
                **self._base,
                http.RESUME: partial(self._resume, listener, addr),
                "gunicorn.socket": client,
                "REMOTE_ADDR": addr[0],
                "REMOTE_PORT": str(addr[1]),
                "SERVER_NAME": server[0],
                "SERVER_PORT": str(server[1]),
            }
            trusted = partial(self._trusts, addr[0])
            while data := self._look(client):
                found = self._read(data, client, connection, trusted)
                if found is None:
                    return True
                request, environ = found
                client.recv(request.size)  # what was looked at
                self._answer(request, environ, client)
        except StopIteration:  # the connection ends with this answer, or has gone with its stream
            pass
        except OSError as problem:
            if problem.errno not in _GONE:
                self.log.exception("Socket error processing request.")
        except (gevent.GreenletExit, SystemExit):
            pass
        except BaseException as problem:
            self.handle_error(request, client, addr, problem)
        _close(client)
        return False

    def _read(
        self, data: bytes, client: Any, connection: dict[str, Any], trusted: Callable[[], bool]
    ) -> tuple[http.Request, dict[str, Any]] | None:
        """The plain request that a client has sent `data` of."""
        try:
            return self._reader.read(data, connection, trusted)
        except http.Incomplete:  # many send head and body apart, one right after the other
            gevent.sleep(_MOMENT)
        try:
            return self._reader.read(self._look(client), connection, trusted)
        except http.Incomplete:
            return None

    def _look(self, client: Any) -> bytes:
        """What the client has sent, which stays where it is; empty when it has left, or says nothing for too long."""
        client.settimeout(self._patience)
        self._waiting.add(client)
        try:
            return bytes(client.recv(_LOOK, socket.MSG_PEEK))
        except TimeoutError:
            return b""
        finally:
            self._waiting.discard(client)
            client.setblocking(1)

    def _resume(self, listener: Any, addr: Any, raw: Any) -> None:
        """Goes on with a connection whose stream has ended; never waits."""
        client = gevent.socket.socket(raw.family, raw.type, raw.proto, raw.detach())
        if self.alive:
            self._resumed.spawn(self.handle, listener, client, addr)
        else:
            _close(client)

    def _answer(self, request: http.Request, environ: dict[str, Any], client: Any) -> None:
        """Raises StopIteration when the connection is over with that."""
        response = Response(request, client, self.cfg)
        environ["wsgi.early_hints"] = response.send_early_hints
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
        if not self.alive:
            response.force_close()
        body = self.wsgi(environ, response.start_response)
        try:
            response.send(body)
        except OSError:
            raise
        except Exception:
            if not response.headers_sent:
                raise
            self.log.exception("Error handling request")  # an error page would be read as a part of the answer
            response.force_close()
            client.shutdown(socket.SHUT_RDWR)
        finally:
            if hasattr(body, "close"):
                body.close()
        if response.should_close():
            raise StopIteration


class Response(ServerResponse):  # type: ignore[misc]
    """gunicorn's, but that its head goes with the first block of its body."""

    headers_sent: bool
    response_length: int | None
    status: str
    upgrade: bool
    version: str

    def send(self, body: Iterable[bytes]) -> None:
        if isinstance(body, FileWrapper):
            self.write_file(body)
        else:
            for block in body:
                self.write(block)
        self.close()

    def write(self, block: bytes) -> None:
        if self._alone(block):
            self.headers_sent = True
            self.sent = len(block)
            whole = self.head() + block
            if (sent := self.sock.send(whole)) < len(whole):
                self.sock.sendall(whole[sent:])  # which asks the kernel how much it takes: a call more
        else:
            super().write(block)

    def _alone(self, block: bytes) -> bool:
        """Whether it is the first block of a body that says how long it is, and not more than that."""
        length = self.response_length
        return (
            not self.headers_sent
            and not self._omits_body
            and not self.upgrade
            and length is not None
            and type(block) is bytes
            and 0 < len(block) <= min(length, _JOIN)
        )

    def head(self) -> bytes:
        """What `default_headers` and `send_headers` make, for a body that says how long it is."""
        fields = "".join([f"{name}: {value}\r\n" for name, value in self.headers])
        then = "close" if self.should_close() else "keep-alive"
        head = f"HTTP/1.1 {self.status}\r\nServer: {self.version}\r\nDate: {_date(int(time.time()))}\r\nConnection: {then}\r\n"
        return f"{head}{fields}\r\n".encode("latin-1")

    def send_early_hints(self, headers: Any) -> None:
        """See gunicorn."""
        _make_early_hints_callback(self.req, self.sock, self)(headers)


class _Errors(WSGIErrorsWrapper):  # type: ignore[misc]
    """Finds gunicorn's log when something is written: one that was rotated is another."""

    def __init__(self, cfg: Any) -> None:
        self._cfg = cfg

    def write(self, data: str) -> None:
        WSGIErrorsWrapper(self._cfg).write(data)


@lru_cache(1)
def _date(second: int) -> str:
    """The time as HTTP writes it (RFC 9110, section 5.6.7); made once a second."""
    return str(util.http_date(second))


def _close(client: Any) -> None:
    """A socket that is closed over unread bytes is reset, and with it goes what the client has not read yet."""
    with suppress(OSError):
        for _ in range(_READS):
            if len(client._sock.recv(_LOOK, socket.MSG_DONTWAIT)) < _LOOK:
                break
    util.close(client)


def _as_delivered(cfg: Any) -> bool:
    """Whether gunicorn would do nothing with a request but answer it."""
    settings = cfg.settings
    return (
        not cfg.is_ssl
        and cfg.keepalive > 0
        and not os.environ.get("SCRIPT_NAME")
        and all(settings[name].get() == settings[name].default for name in _AS_DELIVERED if name in settings)
    )


def _only_answers(log: Any) -> bool:
    """Whether nobody is told of each request: no access log, no statsd, no line for debugging."""
    return type(log) is Logger and not log.access_log_enabled and not log.error_log.isEnabledFor(logging.DEBUG)


def _trusts(cfg: Any, host: str) -> bool:
    """Whether what a client at `host` says of its own client counts."""
    return bool(_ip_in_allow_list(host, cfg.forwarded_allow_ips, cfg.forwarded_allow_networks()))


def _limits(cfg: Any) -> http.Limits:
    """gunicorn takes 0 for "no limit" of its own; what is longer than its usual ones is its to read."""
    sizes = [size for size in (cfg.limit_request_line, cfg.limit_request_field_size) if size > 0]
    return http.Limits(min([4094, *sizes]), cfg.limit_request_fields or 100, _LOOK)
