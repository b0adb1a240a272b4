"""The two drivers of a stream, over a real pair of sockets and without a server."""

from __future__ import annotations

import socket as plain_socket
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any

import gevent
import pytest
from gevent import socket

from assistant import sse
from assistant.events import Event, chunk
from assistant.models import START
from assistant.web.connection import Connection
from assistant.web.stream import Bell, drive
from assistant.web.writer import Flusher, SocketWriter
from tests.world import SOON, World

CHUNKED = {"SERVER_PROTOCOL": "HTTP/1.1"}


@pytest.fixture
def pair() -> Iterator[tuple[Any, Any]]:
    server, client = socket.socketpair()
    with server, client:
        yield server, client


def unframed(data: bytes) -> bytes:
    """The payload of whole chunks."""
    parts, place = [], 0
    while place < len(data):
        line = data.index(b"\r\n", place)
        begin, end = line + 2, line + 2 + int(data[place:line], 16)
        assert data[end : end + 2] == b"\r\n"
        parts.append(data[begin:end])
        place = end + 2
    return b"".join(parts)


class Stream:
    """The body of a stream as gunicorn would take it, with the bytes that went past it."""

    def __init__(self, world: World, ctx: Any, server: Any, **environ: Any) -> None:
        viewer = world.service.stream("ann", ctx.request_id, START)
        assert viewer is not None
        self.viewer = viewer
        self.yielded = b""
        self._body = drive(viewer, {"gunicorn.socket": server, **CHUNKED, **environ}, world.settings)
        self.greenlet = gevent.spawn(self._consume)

    def _consume(self) -> None:
        for block in self._body:
            self.yielded += block


def received(client: Any, until: bytes = b"complete") -> bytes:
    data = b""
    with gevent.Timeout(SOON):
        while until not in data or not data.endswith(b"\r\n"):
            data += client.recv(65536)
    return data


@pytest.fixture
def world() -> World:
    world = World(socket_driver=True)

    def counting(run: Any) -> Iterator[Event]:
        for number in range(run.request.context["count"]):
            yield chunk(f"{number} " * run.request.context.get("width", 1))
            gevent.sleep(run.request.context.get("pause", 0))

    world.handler(counting)
    return world


def test_the_server_gets_the_first_block_and_the_socket_the_rest(world: World, pair: Any) -> None:
    server, client = pair
    ctx = world.submit(context={"count": 30})

    stream = Stream(world, ctx, server)
    past = received(client)
    stream.greenlet.join(SOON)

    whole = list(sse.decode([stream.yielded, unframed(past)]))
    assert [message.id for message in whole] == [f"1-{number}" for number in range(1, 34)]
    assert stream.yielded.startswith(b"retry: 2000\n")
    assert stream.viewer.end_reason == "ended"


@pytest.mark.parametrize(
    ("environ", "setting"),
    [({"SERVER_PROTOCOL": "HTTP/1.0"}, True), ({"gunicorn.socket": None}, True), ({}, False)],
)
def test_it_falls_back_to_the_server_where_it_may_not_write(
    world: World, pair: Any, environ: dict[str, Any], setting: bool
) -> None:
    server, client = pair
    world.settings = type(world.settings)(socket_driver=setting)
    ctx = world.submit(context={"count": 5})

    stream = Stream(world, ctx, server, **environ)
    stream.greenlet.join(SOON)

    assert b"complete" in stream.yielded
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(1)


def test_a_slow_client_gets_every_byte_in_order_and_others_go_on(world: World, pair: Any) -> None:
    server, client = pair
    ctx = world.submit(context={"count": 200, "width": 4_000})
    other = world.submit(context={"count": 5})

    stream = Stream(world, ctx, server)
    with gevent.Timeout(SOON):
        # the other ends while this one is stuck in the middle
        while world.registry.result(other.request_id) is None or stream.viewer.writing_since is None:
            gevent.sleep(0.001)
    past = bytearray()
    with gevent.Timeout(SOON * 4):
        while not stream.greenlet.ready():
            past += client.recv(16_384)
            gevent.sleep(0)
    client.setblocking(False)
    with suppress(BlockingIOError):
        while block := client.recv(1_000_000):
            past += block

    texts = [
        one.json()["text"]
        for one in sse.decode([stream.yielded, unframed(bytes(past))])
        if one.event == "response_chunk"
    ]
    assert texts == [f"{number} " * 4_000 for number in range(200)]


def test_a_client_that_leaves_ends_the_stream_at_once(world: World, pair: Any) -> None:
    server, client = pair
    ctx = world.submit(context={"count": 2, "pause": 1000})
    stream = Stream(world, ctx, server)
    world.settle()

    client.close()
    stream.greenlet.join(SOON)

    assert stream.greenlet.ready()
    assert stream.viewer.end_reason == "client_gone"
    assert len(world.viewers) == 0
    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()


def test_a_cut_frees_a_writer_that_is_stuck(world: World, pair: Any) -> None:
    server, _ = pair
    ctx = world.submit(context={"count": 200, "width": 4_000})
    stream = Stream(world, ctx, server)
    with gevent.Timeout(SOON):
        while stream.viewer.writing_since is None or len(world.runner):
            gevent.sleep(0.001)

    world.pass_time(61)
    stream.greenlet.join(SOON)

    assert stream.greenlet.ready()
    assert stream.viewer.end_reason == "stalled"
    assert len(world.viewers) == 0


def test_a_killed_stream_gives_everything_back(world: World, pair: Any) -> None:
    server, _ = pair
    ctx = world.submit(context={"count": 2, "pause": 1000})
    stream = Stream(world, ctx, server)
    world.settle()
    assert len(world.viewers) == 1

    stream.greenlet.kill()

    assert len(world.viewers) == 0
    assert world.registry.snapshot(ctx.request_id).viewers == 0
    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()


def test_what_a_viewer_raises_is_raised_in_the_streams_own_greenlet(pair: Any) -> None:
    server, _ = pair

    def failing() -> Generator[bytes | None, None, None]:
        yield None
        raise LookupError("the store")

    writer = SocketWriter(Connection(server, 60), failing())
    run = gevent.spawn(writer.run)
    gevent.sleep(0)

    writer.wake()
    run.join(SOON)

    assert isinstance(run.exception, LookupError)


def test_a_ring_before_the_wait_is_not_lost_and_many_rings_are_one() -> None:
    bell = Bell()

    bell.ring()
    bell.ring()
    with gevent.Timeout(SOON):
        bell.wait()

    waiting = gevent.spawn(bell.wait)
    gevent.sleep(0)
    assert not waiting.ready()
    bell.ring()
    waiting.join(SOON)
    assert waiting.ready()


def test_a_ring_for_a_greenlet_that_was_killed_meanwhile_hurts_nobody() -> None:
    bell = Bell()
    waiting = gevent.spawn(bell.wait)
    gevent.sleep(0)

    bell.ring()
    waiting.kill()
    gevent.sleep(0)

    assert waiting.dead


def test_a_socket_of_another_kind_is_left_alone() -> None:
    left, right = plain_socket.socketpair()
    with left, right:
        connection = Connection(object(), 60)

        connection.open(lambda: None)
        connection.cut()
        connection.close()

        assert not connection.plain


@pytest.mark.parametrize("send_buffer", [12_000, 16_384, 20_000])
def test_nobody_writes_while_the_server_sends_its_block(world: World, send_buffer: int) -> None:
    """The server's block is large and its client slow: what is said meanwhile must not land in the middle of it."""

    def chatty(run: Any) -> Iterator[Event]:
        yield chunk("x" * 60_000)
        for number in range(100):
            gevent.sleep(0.003)
            yield chunk(f"{number}")

    world.handler(chatty, "chatty")
    ctx = world.submit(mode="chatty")
    world.settle()
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.socket()
    client.setsockopt(plain_socket.SOL_SOCKET, plain_socket.SO_RCVBUF, 8192)  # before it connects: it bounds the window
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    with listener, client, server:
        server.setsockopt(plain_socket.SOL_SOCKET, plain_socket.SO_SNDBUF, send_buffer)
        viewer = world.service.stream("ann", ctx.request_id, START)
        assert viewer is not None

        def serve() -> None:
            for block in drive(viewer, {"gunicorn.socket": server, **CHUNKED}, world.settings):
                server.sendall(b"%x\r\n%b\r\n" % (len(block), block))
            server.sendall(b"0\r\n\r\n")

        serving = gevent.spawn(serve)
        past = bytearray()
        with gevent.Timeout(SOON * 2):
            while not past.endswith(b"0\r\n\r\n"):
                past += client.recv(700)
                gevent.sleep(0.003 if len(past) < 61_000 else 0)
        serving.join(SOON)

    messages = list(sse.decode([unframed(bytes(past[:-5]))]))
    assert [message.id for message in messages] == [f"1-{number}" for number in range(1, 105)]
    world.finished()


def test_one_stream_that_breaks_the_flush_does_not_silence_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def pump(self) -> None:
            raise MemoryError

    class Counting:
        pumped = 0

        def pump(self) -> None:
            self.pumped += 1

    hub = gevent.get_hub()
    monkeypatch.setattr(hub, "handle_error", lambda *_: None)
    flusher, other = Flusher(hub.loop), Counting()

    flusher.add(Broken())  # type: ignore[arg-type]
    flusher.add(other)  # type: ignore[arg-type]
    gevent.sleep(0.01)
    flusher.add(other)  # type: ignore[arg-type]
    gevent.sleep(0.01)

    assert other.pumped == 2
