"""A copy of a log takes frames by their numbers: twice is once, and a gap is told."""

from __future__ import annotations

import pytest

from assistant import sse
from assistant.config import Settings
from assistant.errors import BudgetExceeded, Fenced, RequestClosed, StoreLost
from assistant.events import Event
from assistant.models import START, Cursor, RequestContext
from assistant.registry.redis import held as holding
from assistant.registry.redis.held import Held
from assistant.registry.redis.mirror import Mirror, frames_of
from assistant.registry.redis.packets import Packet, unpack
from assistant.testing.contract import completed, said


def frame(seq: int, attempt: int = 1, text: str = "word") -> bytes:
    return sse.numbered("response_chunk", sse.dumps({"text": text, "part": "text", "index": 0}), attempt, seq)


def mirror_of(count: int) -> Mirror:
    mirror = Mirror()
    mirror.take(1, 1, [frame(seq) for seq in range(1, count + 1)], closed=False)
    return mirror


def held_with(*texts: str) -> Held:
    ctx = RequestContext("id", "ann", "chat", "Hello", 0, 0)
    held = holding.new(ctx, frame(1), 0.0)
    for text in texts:
        held.append(1, said(text), Settings())
    return held


def ids(mirror: Mirror) -> list[str]:
    return [message.id for message in sse.decode(mirror.read(START).frames)]


def test_joined_frames_come_apart_as_they_were() -> None:
    frames = [frame(seq, text=f"line\n\nbreak {seq}\r") for seq in range(1, 6)]

    assert list(frames_of(b"".join(frames))) == frames


def test_what_is_known_is_sliced_off() -> None:
    mirror = mirror_of(3)

    whole = mirror.take(1, 2, [frame(2), frame(3), frame(4)], closed=False)
    again = mirror.take(1, 1, [frame(1), frame(2)], closed=False)

    assert whole
    assert again
    assert ids(mirror) == ["1-1", "1-2", "1-3", "1-4"]


def test_a_gap_is_told_and_nothing_taken() -> None:
    mirror = mirror_of(3)

    assert not mirror.take(1, 5, [frame(5)], closed=False)
    assert ids(mirror) == ["1-1", "1-2", "1-3"]


def test_a_further_attempt_comes_only_from_the_stream() -> None:
    mirror = mirror_of(2)

    pushed = mirror.take(2, 1, [frame(1, 2)], closed=False)
    mirror.follow([(b"1-3", {b"f": b"3", b"d": frame(3)}), (b"2-1", {b"f": b"1", b"d": frame(1, 2)})])

    assert not pushed
    assert ids(mirror) == ["1-1", "1-2", "1-3", "2-1"]


def test_an_earlier_attempt_is_not_heard_any_more() -> None:
    mirror = mirror_of(2)
    mirror.begin(2)

    assert mirror.take(1, 3, [frame(3)], closed=False)
    assert ids(mirror) == ["1-1", "1-2"]


def test_the_last_frame_closes_once() -> None:
    mirror = mirror_of(2)

    mirror.take(1, 3, [frame(3)], closed=True)
    mirror.take(1, 4, [frame(4)], closed=False)

    assert mirror.closed
    assert ids(mirror) == ["1-1", "1-2", "1-3"]


def test_a_log_that_is_lost_ends_in_an_error_with_what_was_said() -> None:
    mirror = mirror_of(2)

    mirror.fail(StoreLost(), 5)
    mirror.fail(StoreLost(), 6)

    (last,) = sse.decode([mirror.terminal()])
    assert (last.event, last.id) == ("error", "1-3")
    assert (last.json()["code"], last.json()["partial"]["text"]) == ("store_lost", "wordword")


def test_packets_carry_many_requests_in_one_message() -> None:
    packets = [Packet("a" * 56, 1, 4, False, [frame(4), frame(5)]), Packet("b" * 56, 2, 1, True, [frame(1, 2)])]

    got = list(unpack(b"".join(packet.dump() for packet in packets)))

    assert got == [("a" * 56, 1, 4, False, frame(4) + frame(5)), ("b" * 56, 2, 1, True, frame(1, 2))]


def test_only_what_is_acknowledged_is_seen() -> None:
    held = held_with("one", "two", "three")

    before = ids(held.mirror)
    held.acknowledged(3)

    assert before == ["1-1"]
    assert ids(held.mirror) == ["1-1", "1-2", "1-3"]
    assert [piece.seq for piece in held.pending] == [4]


def test_what_redis_lost_again_is_sent_again() -> None:
    held = held_with("one", "two", "three")
    held.acknowledged(3)

    assert held.resend(1)

    batch = held.next_batch()
    assert batch is not None
    assert (batch.first, batch.last) == (2, 4)
    assert [piece.frame for piece in batch.pieces[:2]] == held.mirror.behind(1)


def test_a_batch_is_bounded_but_never_empty() -> None:
    held = held_with("x" * 300_000, "y" * 300_000, "z" * 600_000)

    sizes = []
    while (batch := held.next_batch()) is not None:
        sizes.append(len(batch.pieces))
        held.acknowledged(batch.last)

    assert sizes == [1, 1, 1]


def test_the_writer_of_an_attempt_is_alone_and_stops_at_its_end() -> None:
    held = held_with()

    with pytest.raises(Fenced):
        held.append(2, said(), Settings())
    held.finish(1, completed())
    with pytest.raises(RequestClosed):
        held.append(1, said(), Settings())


def test_a_full_log_refuses_and_keeps_room_for_its_end() -> None:
    held = held_with()
    limits = Settings(max_request_events=10)
    for _ in range(8):
        held.append(1, said(), limits)

    with pytest.raises(BudgetExceeded):
        held.append(1, said(), limits)
    assert held.finish(1, completed()).seq == 10


def test_a_piece_tells_what_others_may_want_to_know() -> None:
    held = held_with()

    quiet = held.append(1, Event("status", {"state": "running", "ts": 0}), Settings())
    stage = held.append(1, Event("stage", {"stage": "x", "ts": 0}), Settings())
    loud = held.append(1, said(), Settings())

    assert (quiet.state, quiet.loud, stage.loud, loud.loud) == ("running", False, False, True)
    assert Cursor(1, held.seq) == Cursor(1, 4)
