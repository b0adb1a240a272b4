"""SocketWriter: the socket driver of a stream. The loop itself sends what a viewer has to say.

A greenlet per stream still holds the server's request open, but it sleeps: a wake-up schedules `_pump` on the loop, which
takes blocks from the viewer and gives them to the kernel without waiting. So an event costs no switch of greenlets and
none of the server's framing and writing.

What must stay true:
- `_blocks` is only ever advanced by `_pump`, and `_pump` never runs while `_rest` is being sent: order is the log's order.
- The greenlet is switched to only when it waits, and only for a reason: a full kernel buffer, the end, or a failure.
- Nothing here waits but `run`, in its own greenlet.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import gevent
from gevent.hub import Waiter

from .connection import Connection


class SocketWriter:
    """Sends the blocks of one stream as chunks (RFC 9112, section 7.1) from the second one on."""

    __slots__ = ("_blocks", "_connection", "_failure", "_loop", "_over", "_rest", "_scheduled", "_waiter")

    def __init__(self, connection: Connection, blocks: Generator[bytes | None, None, None]) -> None:
        self._connection = connection
        self._blocks = blocks
        self._loop = gevent.get_hub().loop
        self._rest = b""  # what the kernel has not taken yet
        self._scheduled = False
        self._over = False
        self._failure: BaseException | None = None
        self._waiter: Any = None

    @staticmethod
    def fits(connection: Connection, environ: Mapping[str, Any]) -> bool:
        """Whether the socket is plain and the server frames this body in chunks, as gunicorn does for HTTP/1.1
        (gunicorn.http.wsgi, Response.is_chunked)."""
        return connection.plain and environ.get("SERVER_PROTOCOL") == "HTTP/1.1"

    def run(self) -> None:
        """Returns when the stream has ended or the client is gone. Raises what the viewer raises."""
        try:
            self._pump()
            while not self._over:
                if not self._rest:
                    self._waiter = Waiter()
                    self._waiter.get()  # the janitor has the stream woken at least once a heartbeat
                if self._rest:
                    self._connection.send_all(self._rest)
                    self._rest = b""
                    self._pump()
        except OSError:
            self._connection.gone = True
        finally:
            self._over = True  # a pump that is scheduled still finds nothing to do
            self._waiter = None
        if self._failure is not None:
            raise self._failure

    def wake(self) -> None:
        """There is news for the viewer. Returns at once; for greenlets of the same thread."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.run_callback(self._pump)

    def stop(self) -> None:
        """The client is gone."""
        self._over = True
        self._resume()

    def _pump(self) -> None:
        self._scheduled = False
        if self._rest or self._over:
            return
        try:
            for block in self._blocks:
                if block is None:
                    return
                self._rest = self._connection.send_some(b"%x\r\n%b\r\n" % (len(block), block))
                if self._rest:
                    break
            else:
                self._over = True
        except OSError:
            self._connection.gone = self._over = True
        except BaseException as failure:  # raised again where the server expects it: in the stream's own greenlet
            self._failure, self._over = failure, True
        self._resume()

    def _resume(self) -> None:
        """Lets the greenlet go on, when it waits."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._loop.run_callback(waiter.switch, None)
