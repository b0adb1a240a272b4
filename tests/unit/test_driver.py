"""The two drivers of a stream, over a real pair of sockets and without a server: the same tests for both."""

from __future__ import annotations

import _socket
import gc
import socket as plain_socket
import weakref
from collections.abc import Generator, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent import monkey, socket, ssl

from assistant import sse
from assistant.events import Event, chunk
from assistant.models import START
from assistant.signals import stream_closed, stream_opened
from assistant.viewer import Viewer
from assistant.web import handover
from assistant.web.connection import Connection, plain
from assistant.web.delivery import Delivery
from assistant.web.stream import Bell, drive
from assistant.web.writer import SocketWriter
from tests.world import SOON, World

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
STALL = 60.0


class Response:
    """gunicorn's response, as far as a handover needs it."""

    headers = ()

    def force_close(self) -> None:
        pass

    def default_headers(self) -> list[str]:
        return ["HTTP/1.1 200 OK\r\n"]


class Stream:
    """A stream of a request of Ann's, sent to `server` by a driver."""

    def __init__(self, world: World, ctx: Any, server: Any, driver: str) -> None:
        viewer = world.service.stream("ann", ctx.request_id, START)
        assert viewer is not None
        self.viewer = viewer
        self.facts: list[tuple[str, Any]] = []
        stream_opened.connect(self._opened)
        stream_closed.connect(self._closed)
        delivery = Delivery(viewer, STALL, world)
        if driver == "wsgi":
            self.serving = gevent.spawn(self._serve, delivery, server)
        else:
            handover._hand_over(delivery, {"gunicorn.socket": server}, Response())

    def _opened(self, _: Any, **facts: Any) -> None:
        self.facts.append(("opened", facts["cursor"]))

    def _closed(self, _: Any, **facts: Any) -> None:
        self.facts.append(("closed", facts["reason"]))

    @staticmethod
    def _serve(delivery: Delivery, server: Any) -> None:
        """What gunicorn does with a body."""
        body = drive(delivery, server)
        try:
            server.sendall(HEAD)
            for block in body:
                server.sendall(b"%x\r\n%b\r\n" % (len(block), block))
            server.sendall(b"0\r\n\r\n")
        except OSError:
            pass
        finally:
            body.close()  # type: ignore[attr-defined]
            server.close()

    def wait_closed(self) -> None:
        with gevent.Timeout(SOON):
            while not self.facts or self.facts[-1][0] != "closed":
                gevent.sleep(0.001)


@pytest.fixture(params=["wsgi", "socket"])
def driver(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def pair() -> Iterator[tuple[Any, Any]]:
    server, client = socket.socketpair()
    with server, client:
        yield server, client


def unframed(data: bytes) -> bytes:
    """The payload of a whole response: every chunk of it, and the last one."""
    head, found, data = data.partition(b"\r\n\r\n")
    assert found, head
    parts, place = [], 0
    while not data.startswith(b"0\r\n\r\n", place):
        line = data.index(b"\r\n", place)
        begin, end = line + 2, line + 2 + int(data[place:line], 16)
        assert data[end : end + 2] == b"\r\n"
        parts.append(data[begin:end])
        place = end + 2
    assert len(data) == place + 5
    return b"".join(parts)


def received(client: Any, size: int = 65536, pause: float = 0.0) -> bytes:
    """All that comes until the server closes."""
    data = bytearray()
    with gevent.Timeout(SOON * 4):
        while block := client.recv(size):
            data += block
            gevent.sleep(pause)
    return bytes(data)


@pytest.fixture
def world() -> World:
    world = World()
    world.sender = world

    def counting(run: Any) -> Iterator[Event]:
        for number in range(run.request.context["count"]):
            yield chunk(f"{number} " * run.request.context.get("width", 1))
            gevent.sleep(run.request.context.get("pause", 0))

    world.handler(counting)
    return world


def test_every_event_arrives_once_and_in_order(world: World, pair: Any, driver: str) -> None:
    server, client = pair
    ctx = world.submit(context={"count": 30})

    stream = Stream(world, ctx, server, driver)
    payload = unframed(received(client))
    stream.wait_closed()

    assert payload.startswith(b"retry: 2000\n")
    assert [message.id for message in sse.decode([payload])] == [f"1-{number}" for number in range(1, 34)]
    assert stream.facts == [("opened", "0-0"), ("closed", "ended")]
    assert len(world.viewers) == 0


def test_a_slow_client_gets_every_byte_in_order_and_others_go_on(world: World, pair: Any, driver: str) -> None:
    server, client = pair
    ctx = world.submit(context={"count": 200, "width": 4_000})
    other = world.submit(context={"count": 5})

    stream = Stream(world, ctx, server, driver)
    with gevent.Timeout(SOON):
        while world.registry.result(other.request_id) is None:
            gevent.sleep(0.001)
    assert stream.viewer.writing_since is not None  # it is stuck in the middle
    payload = unframed(received(client, 16_384))

    texts = [one.json()["text"] for one in sse.decode([payload]) if one.event == "response_chunk"]
    assert texts == [f"{number} " * 4_000 for number in range(200)]


def test_a_client_that_leaves_ends_the_stream_at_once(world: World, pair: Any, driver: str) -> None:
    server, client = pair
    ctx = world.submit(context={"count": 2, "pause": 1000})
    stream = Stream(world, ctx, server, driver)
    world.settle()

    client.close()
    stream.wait_closed()

    assert stream.facts[-1] == ("closed", "client_gone")
    assert len(world.viewers) == 0
    assert world.registry.snapshot(ctx.request_id).viewers == 0
    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()


def test_what_another_thread_says_arrives_at_once(world: World, pair: Any, driver: str) -> None:
    """The loop sleeps by then, and a callback alone would not wake it."""
    server, client = pair
    ctx = world.submit(context={"count": 1, "pause": 1000})
    stream = Stream(world, ctx, server, driver)
    world.settle()
    nap = monkey.get_original("time", "sleep")

    def elsewhere() -> None:
        nap(0.1)
        world.registry.append(ctx.request_id, 1, Event("response_chunk", {"text": "from afar", "part": "text"}))

    monkey.get_original("_thread", "start_new_thread")(elsewhere, ())
    seen = b""
    with gevent.Timeout(SOON):
        while b"from afar" not in seen:
            seen += client.recv(65536)

    client.close()
    stream.wait_closed()
    world.registry.stop(ctx.request_id, "cancelled")
    world.finished()


def test_a_cut_frees_a_stream_that_is_stuck(world: World, pair: Any, driver: str) -> None:
    server, _ = pair
    ctx = world.submit(context={"count": 200, "width": 4_000})
    stream = Stream(world, ctx, server, driver)
    with gevent.Timeout(SOON):
        while stream.viewer.writing_since is None or len(world.runner):
            gevent.sleep(0.001)

    world.pass_time(61)
    stream.wait_closed()

    assert stream.facts[-1] == ("closed", "stalled")
    assert len(world.viewers) == 0


def test_silence_is_broken_by_a_heartbeat(world: World, pair: Any, driver: str) -> None:
    server, client = pair
    ctx = world.submit(context={"count": 1, "pause": 1000})
    Stream(world, ctx, server, driver)
    world.settle()

    world.pass_time(15)
    world.registry.stop(ctx.request_id, "cancelled")
    payload = unframed(received(client))

    assert payload.count(b"\n\n:\n") == 1


def test_a_next_request_that_came_early_costs_no_byte_of_the_answer(world: World, pair: Any) -> None:
    server, client = pair
    ctx = world.submit(context={"count": 5, "pause": 0.01})
    stream = Stream(world, ctx, server, "socket")  # under the other, the server serves it
    client.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")

    payload = unframed(received(client))
    stream.wait_closed()

    assert b'"outcome":"completed"' in payload
    assert stream.facts[-1] == ("closed", "ended")


def test_a_viewer_that_fails_ends_its_connection_and_is_logged(pair: Any, caplog: pytest.LogCaptureFixture) -> None:
    server, client = pair
    ended: list[bool] = []

    def failing() -> Generator[bytes | None, None, None]:
        yield None
        raise LookupError("the store")

    writer = SocketWriter(Connection(server._sock), failing(), SimpleNamespace(closed=lambda: ended.append(True)))
    next(writer._blocks)
    writer.start(HEAD, b"first")

    with gevent.Timeout(SOON):
        assert received(client) == HEAD + b"5\r\nfirst\r\n"
        gevent.sleep(0)
    assert ended == [True]
    assert "a stream failed" in caplog.text


class Given:
    """Who is given the socket of a stream that has ended."""

    def __init__(self) -> None:
        self.sockets: list[Any] = []
        self.ended: list[bool] = []

    def writer(self, server: Any, blocks: Generator[bytes | None, None, None]) -> SocketWriter:
        """Of a socket taken out of the server's, as the handover does."""
        raw = _socket.socket(server.family, server.type, server.proto, server.detach())
        raw.setblocking(False)
        connection, ending = Connection(raw), SimpleNamespace(closed=lambda: self.ended.append(True))
        writer = SocketWriter(connection, blocks, ending, self.sockets.append)
        connection.open(writer, 60)
        return writer


def test_a_connection_goes_on_when_its_stream_was_sent_whole(pair: Any) -> None:
    server, client = pair
    given = Given()

    given.writer(server, (block for block in (b"one", b""))).start(HEAD, b"first")
    gevent.sleep(0)

    whole = HEAD + b"5\r\nfirst\r\n3\r\none\r\n0\r\n\r\n"
    assert client.recv(len(whole)) == whole
    assert given.ended == [True]
    (raw,) = given.sockets
    client.sendall(b"next")
    assert raw.recv(9) == b"next"
    raw.close()


def test_a_connection_goes_on_only_when_the_client_has_room_for_the_end(pair: Any) -> None:
    server, client = pair
    given = Given()
    big = b"x" * 4_000_000
    given.writer(server, (block for block in (big, b""))).start(HEAD, b"first")
    gevent.sleep(0.01)
    assert given.sockets == []

    seen = b""
    with gevent.Timeout(SOON):
        while not seen.endswith(b"0\r\n\r\n"):
            seen += client.recv(1_000_000)
        while not given.sockets:
            gevent.sleep(0)

    assert seen.count(b"x") == len(big)
    given.sockets[0].close()


def test_a_connection_whose_client_left_before_the_end_does_not_go_on(pair: Any) -> None:
    server, client = pair
    given = Given()
    given.writer(server, (block for block in (b"x" * 4_000_000, b""))).start(HEAD, b"first")
    gevent.sleep(0.01)

    client.close()

    with gevent.Timeout(SOON):
        while not given.ended:
            gevent.sleep(0)
    assert given.sockets == []


def test_a_connection_of_a_stream_that_failed_does_not_go_on(pair: Any) -> None:
    server, client = pair
    given = Given()

    def failing() -> Generator[bytes | None, None, None]:
        yield b"one"
        raise LookupError("the store")

    given.writer(server, failing()).start(HEAD, b"first")

    assert received(client).endswith(b"one\r\n")
    assert given.sockets == []


def test_a_connection_that_went_on_cannot_be_cut_by_its_former_stream(pair: Any) -> None:
    server, client = pair
    raw = _socket.socket(server.family, server.type, server.proto, server.detach())
    connection = Connection(raw)
    connection.open(SimpleNamespace(client_gone=lambda: None), 60)

    assert connection.release() is raw
    connection.cut()
    connection.close()

    client.sendall(b"next")
    assert raw.recv(9) == b"next"
    raw.close()


def test_a_stream_that_fails_is_not_said_to_have_lost_its_client(
    world: World, pair: Any, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = pair
    ctx = world.submit(context={"count": 2, "pause": 0.05})
    stream = Stream(world, ctx, server, driver)
    assert client.recv(10)

    def fail(*_: Any) -> Any:
        raise LookupError("the store")

    monkeypatch.setattr(world.registry, "read", fail)
    data = received(client)
    stream.wait_closed()

    assert not data.endswith(b"0\r\n\r\n")  # what broke must not look whole
    assert stream.facts == [("opened", "0-0"), ("closed", "failed")]
    assert len(world.viewers) == 0
    world.finished()


def test_a_stream_counts_as_open_until_its_end_was_told(world: World, pair: Any, driver: str) -> None:
    """A worker that ends waits for open streams, and for nothing else of them."""
    server, client = pair
    ctx = world.submit(context={"count": 3})
    stream = Stream(world, ctx, server, driver)
    with gevent.Timeout(SOON):
        while len(world.viewers) or not stream.facts:
            gevent.sleep(0)

    assert stream.facts[-1] == ("closed", "ended")
    assert received(client)


@pytest.mark.parametrize("leaves", [False, True], ids=["ends", "leaves"])
def test_a_stream_that_is_over_is_freed_without_the_collector(
    world: World, pair: Any, driver: str, *, leaves: bool
) -> None:
    """The collector comes seldom to what has lived for long (assistant.gunicorn): nothing may wait for it."""
    server, client = pair
    ctx = world.submit(context={"count": 3, "pause": 0.01})
    gc.collect()
    gc.disable()
    try:
        stream = Stream(world, ctx, server, driver)
        viewer = weakref.ref(stream.viewer)
        if leaves:
            world.settle()
            client.close()
        else:
            received(client)
        stream.wait_closed()
        world.finished()
        del stream
        world.settle()
        left = [type(one).__name__ for one in gc.get_objects() if isinstance(one, (Connection, SocketWriter, Viewer))]
    finally:
        gc.enable()

    assert left == []
    assert viewer() is None


def test_a_client_that_does_not_even_take_the_last_chunk_is_cut(
    world: World, pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = pair
    ctx = world.submit(context={"count": 2})
    send = Connection.send_some
    monkeypatch.setattr(Connection, "send_some", lambda to, data: send(to, data) if data != b"0\r\n\r\n" else data)
    monkeypatch.setattr(Connection, "when_room", lambda to, call: None)  # it never takes anything again
    stream = Stream(world, ctx, server, "socket")
    world.finished()
    world.settle()

    world.pass_time(61)
    stream.wait_closed()

    assert received(client).count(b'"outcome":"completed"') == 1
    assert stream.facts[-1] == ("closed", "stalled")
    assert len(world.viewers) == 0


def test_a_stream_whose_socket_is_gone_before_it_is_taken_leaves_nothing(world: World, pair: Any) -> None:
    server, _ = pair
    ctx = world.submit(context={"count": 2})
    server.close()

    facts: list[str] = []
    closed = lambda _, reason, **__: facts.append(reason)  # noqa: E731
    stream_closed.connect(closed)
    with pytest.raises((OSError, ValueError)):
        Stream(world, ctx, server, "socket")

    assert facts == ["client_gone"]
    assert len(world.viewers) == 0
    assert world.registry.snapshot(ctx.request_id).viewers == 0
    world.finished()


def test_a_stream_that_cannot_begin_leaves_the_socket_to_the_server(
    world: World, pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = pair
    ctx = world.submit(context={"count": 2})
    viewer = world.service.stream("ann", ctx.request_id, START)
    assert viewer is not None

    def fail(*_: Any) -> Any:
        raise LookupError("the store")

    monkeypatch.setattr(world.registry, "read", fail)
    with pytest.raises(LookupError):
        handover._hand_over(Delivery(viewer, STALL), {"gunicorn.socket": server}, Response())

    server.sendall(b"500")
    assert client.recv(10) == b"500"
    assert len(world.viewers) == 0
    world.finished()


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
        connection = Connection(None)

        connection.open(SimpleNamespace(client_gone=lambda: None), STALL)
        connection.cut()
        connection.close()

        assert not plain(None)
        assert not plain(ssl.SSLSocket.__new__(ssl.SSLSocket))


def test_nobody_waits_in_a_send_while_the_head_and_the_first_block_are_on_their_way(world: World, driver: str) -> None:
    """The first block is large and its client slow: what is said meanwhile must not land in the middle of it."""

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
        server.setsockopt(plain_socket.SOL_SOCKET, plain_socket.SO_SNDBUF, 12_000)
        Stream(world, ctx, server, driver)
        payload = unframed(received(client, 700, 0.001))

    assert [message.id for message in sse.decode([payload])] == [f"1-{number}" for number in range(1, 105)]
    world.finished()


def test_a_connection_that_goes_back_to_its_server_is_given_up_by_the_kernel(world: World) -> None:
    """The server's last chunk has no other clock."""
    ctx = world.submit(context={"count": 3})
    world.finished()
    viewer = world.service.stream("ann", ctx.request_id, START)
    assert viewer is not None

    def clock() -> int:
        return int(server.getsockopt(plain_socket.IPPROTO_TCP, plain_socket.TCP_USER_TIMEOUT))

    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as server,
    ):
        body = drive(Delivery(viewer, STALL), server)
        next(body)
        assert clock() == 0  # while bytes wait, the janitor's counts
        assert list(body) == []
        assert clock() == 30_000
