"""Task: one request in its greenlet, from its first turn to exactly one terminal event.

How a stop reaches a handler: a generator cannot be closed from another greenlet, and a greenlet killed before its first
turn runs nothing. So the reason is noted first; if the handler's own code is what waits at that moment, `Stop` is thrown
into the greenlet once, from the hub, and surfaces where the handler waits. Our own code is never interrupted: it looks
at the noted reason before each turn. Only this greenlet closes the generator and finishes the request; `left` catches
one that died without doing so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import gevent
from gevent.queue import Empty, SimpleQueue

from .account import Account
from .actions import ActionSpec
from .errors import (
    ActionDenied,
    ActionExpired,
    ActionFailed,
    AssistantError,
    BudgetExceeded,
    Fenced,
    HandlerFailed,
    Internal,
    NotFound,
    RequestClosed,
    StoreUnavailable,
    WorkerLost,
)
from .events import Ask, Event, clean_value, failure
from .fiber import Fiber
from .models import ActionReply, ClaimReply, RequestContext, ResultReply, Status
from .protocols import Snapshot
from .run import Run
from .signals import (
    answer_begun,
    emit,
    event_published,
    processing_finished,
    processing_lost,
    processing_started,
)
from .transcript import Transcript
from .turn import Turn

if TYPE_CHECKING:
    from .runner import TaskRunner

log = logging.getLogger("assistant.task")

T = TypeVar("T")

# How long a stopped handler may go on before its request is finished over its head; seconds (protocol: Stopping).
GRACE = 2.0

LOST = (RequestClosed, Fenced, NotFound)  # somebody else has ended this request: there is nothing left to say


class Stop(BaseException):
    """Thrown into a handler where it waits. Not an Exception, so that `except Exception` does not swallow it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Task:
    """One running request; the inbox of its owner."""

    __slots__ = ("_account", "_answers", "_asked", "_ctx", "_ended", "_fiber", "_generator", "_interruptible", "_loop",
                 "_reason", "_registry", "_run", "_runner", "_thrown", "_transcript", "_verdict")  # fmt: skip

    def __init__(self, runner: TaskRunner, ctx: RequestContext, said: Transcript | None = None) -> None:
        self._runner = runner
        self._registry = runner.registry
        self._ctx = ctx
        self._run = Run(ctx, settings=runner.settings, catalog=runner.catalog, llm=runner.llm, context=runner.context)
        self._transcript = said or Transcript()
        self._account = Account(self._run, self._transcript, runner.clock)
        self._reason: str | None = None
        self._thrown = False
        self._interruptible = False
        self._asked: str | None = None
        self._answers: Any = None  # made for the first question: a queue costs as much as all the rest of a task
        self._ended = False
        self._generator: Generator[Event, Any, None] | None = None
        self._verdict: Event | None = None
        self._loop = gevent.get_hub().loop
        self._fiber = Fiber(self)

    def begin(self) -> None:
        self._registry.own(self._ctx.request_id, self)
        self._fiber.start()

    def recover(self, *, restart: bool) -> None:
        """Says that a lost worker's request is being taken up, to start it again or to end it."""
        if self._reason is None:
            with suppress(*LOST, BudgetExceeded):
                self._log_status(Status.RECOVERING)
        if not restart:
            self.stop(WorkerLost.code)

    # --- inbox: called from other greenlets, returns at once ---
    def stop(self, reason: str) -> None:
        if gevent.get_hub().loop is not self._loop:  # another thread: what follows is for the loop's own
            self._loop.run_callback_threadsafe(gevent.spawn, self.stop, reason)
            return
        if self._reason is None:
            self._reason = reason
            self._account.stop_begun()
            self._runner.ending(self._ctx.request_id)
            self._loop.run_callback(self._deliver)
            if reason == "cancelled":
                self._say_cancelling()

    def answer(self, action_id: str, reply: ActionReply) -> None:
        """Tells all viewers of a claim or a result, and the handler when it waits for this action."""
        phase = "claimed" if isinstance(reply, ClaimReply) else "resolved"
        facts = {"value": clean_value(reply.value), "status": reply.status} if isinstance(reply, ResultReply) else {}
        proposed = next(data for data in self._transcript.actions if data["action_id"] == action_id)
        named = {name: proposed[name] for name in ("action_id", "name", "wants", "expires_at")}
        # a log that is full ends the request at the handler's next event, so the handler must go on
        with suppress(*LOST, BudgetExceeded):
            self._publish_action({**named, "phase": phase, **facts})
        if self._answers is not None and action_id == self._asked and isinstance(reply, ResultReply):
            self._answers.put(reply)

    def abandon(self) -> None:
        """Ends the request first, so that nothing the handler still does can be seen, then its greenlet."""
        gevent.spawn(self._conclude_now)
        self._fiber.kill()

    @property
    def overrun_since(self) -> float | None:
        """When a stop or the clean-up began that has not led to an end yet; monotonic seconds."""
        return None if self._ended else self._account.ending_since

    def _say_cancelling(self) -> None:
        with suppress(*LOST, BudgetExceeded):
            self._log_status(Status.CANCELLING)

    def _deliver(self) -> None:
        """Runs in the hub, so the state it looks at is that of a greenlet which waits."""
        if self._interruptible and not self._thrown and not self._fiber.dead:
            self._thrown = True
            self._fiber.throw(Stop(self._reason or "internal"))

    # --- the greenlet ---
    def work(self) -> None:
        """All of it, from the first turn to the terminal event."""
        with self._runner.context():
            emit(processing_started, self._runner.sender, ctx=self._ctx)
            self._verdict = self._outcome()
            self._close_handler()
            self._conclude(self._verdict)

    def _outcome(self) -> Event:
        """The terminal event this request has earned. Whatever a handler raises, it is an outcome."""
        try:
            self._check_stop()
            self._log_status(Status.RUNNING)
            self._generator = self._runner.catalog.modes[self._ctx.mode].handler(self._run)
            self._drive(self._generator)
            self._check_stop()
            return self._account.complete("completed")
        except Stop as stop:
            return self._account.stopped(stop.reason)
        except gevent.GreenletExit:  # somebody killed it: `left` finishes
            raise
        except AssistantError as problem:
            return self._account.stopped(self._reason) if self._reason else self._account.failed(problem)
        except BaseException:  # also SystemExit and a leaked gevent.Timeout: they end this request, not the worker
            if self._reason:  # what a handler raises while it is being stopped is not news
                return self._account.stopped(self._reason)
            log.exception("the handler of mode %s failed", self._ctx.mode, extra={"request_id": self._ctx.request_id})
            return self._account.failed(HandlerFailed())

    def _drive(self, generator: Generator[Event, Any, None]) -> None:
        """Takes the handler turn by turn; its events go into the log, answers to its questions go back."""
        turn = Turn()
        answer: Any = None
        refusal: AssistantError | None = None
        while self._reason is None:
            self._interruptible = True
            try:
                event = generator.send(answer) if refusal is None else generator.throw(refusal)
            except StopIteration:
                return
            finally:
                self._interruptible = False
            if self._reason is not None:  # also when the handler swallowed its Stop
                break
            answer = refusal = None
            if isinstance(event, Ask):
                try:
                    answer = self._ask(event)
                except (ActionDenied, ActionFailed, ActionExpired) as problem:
                    refusal = problem
                continue
            if event.name == "response_chunk":
                self._publish_chunk(event)
            else:
                self._publish(event)
            if turn.over():
                self._waiting(turn.pause)
        self._check_stop()

    def _close_handler(self) -> None:
        """Runs the handler's clean-up, for which it has GRACE; what that raises does not replace the outcome."""
        if self._generator is None:
            return
        self._account.cleaning_begun()
        self._runner.ending(self._ctx.request_id)
        try:
            self._generator.close()
        except gevent.GreenletExit:
            raise
        except BaseException:
            log.exception("a handler's clean-up failed", extra={"request_id": self._ctx.request_id})
        finally:
            self._account.cleaned()

    def _waiting(self, wait: Callable[[], T]) -> T:
        """Runs what may wait for long; only there a stop may be thrown."""
        self._check_stop()
        self._interruptible = True
        try:
            return wait()
        finally:
            self._interruptible = False

    def _check_stop(self) -> None:
        if self._reason is not None:
            raise Stop(self._reason)

    # --- actions ---
    def _ask(self, question: Ask) -> Any:
        timeout = question.data["timeout"] or self._runner.settings.action_timeout
        spec = self._spec(question)
        if spec.wants == "nothing":
            raise ValueError(f"the action {spec.name!r} wants nothing; propose it with action()")
        if self._answers is None:
            self._answers = SimpleQueue()
        self._asked = self._propose(spec, question.data["args"], timeout)
        self._check_stop()  # a receiver of the proposal may have waited
        self._log_status(Status.WAITING_ACTION)
        try:
            reply = self._await_reply(self._asked, timeout)
        finally:
            self._asked = None
        self._check_stop()
        self._log_status(Status.RUNNING)
        if reply is None:
            raise ActionExpired
        if reply.status == "denied":
            raise ActionDenied
        if reply.status == "error":
            raise ActionFailed(_shown(reply.value))
        return reply.value

    def _await_reply(self, action_id: str, timeout: float) -> ResultReply | None:
        try:
            return self._reply_within(timeout)
        except Empty:
            if not self._registry.expire_action(self._ctx.request_id, action_id):
                return self._reply_within(GRACE)  # it came at the last moment
            (data,) = (data for data in self._transcript.actions if data["action_id"] == action_id)
            named = {name: data[name] for name in ("action_id", "name", "wants", "expires_at")}
            self._publish_action({**named, "phase": "expired"})
            return None

    def _reply_within(self, seconds: float) -> ResultReply:
        reply: ResultReply = self._waiting(lambda: self._answers.get(timeout=seconds))
        return reply

    def _propose(self, spec: ActionSpec, args: Any, timeout: float) -> str:
        action_id = self._runner.new_id()
        self._publish_action(
            {
                "action_id": action_id,
                "name": spec.name,
                "args": clean_value(spec.check_args(args)),
                "phase": "proposed",
                "wants": spec.wants,
                "expires_at": self._runner.clock.now() + round(timeout * 1000),
            }
        )
        return action_id

    def _spec(self, event: Event) -> ActionSpec:
        name = event.data["name"]
        if name not in self._runner.catalog.actions:
            raise ValueError(f"the action {name!r} is not registered")
        return self._runner.catalog.actions[name]

    # --- the log ---
    def _publish(self, event: Event) -> None:
        """Takes an event of the handler that is no chunk. Raises ValueError for one that a handler has no say in."""
        if event.name == "action":
            self._propose(self._spec(event), event.data["args"], self._runner.settings.action_timeout)
        elif event.name == "stage" or (event.name == "status" and event.data.get("state") == Status.RUNNING):
            self._log(event.name, event.data)
        else:
            raise ValueError("a handler sends stages, chunks, actions and `running`; it ends by returning or raising")

    def _log_status(self, state: Status) -> None:
        self._log("status", {"state": state.value})

    def _publish_chunk(self, event: Event) -> None:
        data = self._transcript.place(event)
        data["ts"] = self._runner.clock.now()
        self._registry.append(self._ctx.request_id, self._ctx.attempt, Event(event.name, data))
        self._transcript.keep(data)
        account = self._account
        account.latest_at = data["ts"]
        if account.first_chunk is None:
            emit(answer_begun, self._runner.sender, ctx=self._ctx, seconds=account.answer_begun())

    def _publish_action(self, data: dict[str, Any]) -> None:
        self._log("action", data)
        self._transcript.keep_action(data)

    def _log(self, name: str, data: dict[str, Any]) -> None:
        event = Event(name, {**data, "ts": self._runner.clock.now()})
        event_id = self._registry.append(self._ctx.request_id, self._ctx.attempt, event)
        self._account.logged(name)
        emit(event_published, self._runner.sender, ctx=self._ctx, event=event, event_id=str(event_id))

    # --- the end ---
    def _conclude(self, terminal: Event) -> None:
        """Writes the terminal event and announces it; does nothing when somebody else was first."""
        if self._ended:
            return
        try:
            written = self._finish(terminal)
        except LOST as lost:
            emit(processing_lost, self._runner.sender, ctx=self._ctx, fenced=isinstance(lost, Fenced))
            return
        except StoreUnavailable:  # it is still on its way, as far as this process lives
            log.warning("the end of a request could not be stored in time", extra={"request_id": self._ctx.request_id})
            return
        finally:
            self._ended = True
        self._account.logged(written.name)
        emit(
            processing_finished,
            self._runner.sender,
            ctx=self._ctx,
            run=self._run,
            result=written.data,
            event=written,
            usage=self._account.usage(self._kept()),
        )

    def _finish(self, terminal: Event) -> Event:
        """Closes the log with `terminal`, or with a bare error when that cannot be encoded."""
        try:
            self._registry.finish(self._ctx.request_id, self._ctx.attempt, terminal)
        except (TypeError, ValueError):
            log.exception("a terminal event does not encode", extra={"request_id": self._ctx.request_id})
            terminal = failure(Internal(), self._runner.clock.now())
            self._registry.finish(self._ctx.request_id, self._ctx.attempt, terminal)
        return terminal

    def _conclude_now(self) -> None:
        """Ends the request with what is known of it, inside the app's context where that can be had."""
        verdict = self._verdict or (
            self._account.stopped(self._reason) if self._reason else self._account.failed(Internal())
        )
        try:
            with self._runner.context():
                self._conclude(verdict)
        except Exception:
            log.exception("a request had to end without its context", extra={"request_id": self._ctx.request_id})
            self._conclude(verdict)

    def _kept(self) -> Snapshot | None:
        """What the registry knows of the request; None where it cannot be asked any more."""
        try:
            return self._registry.snapshot(self._ctx.request_id)
        except (NotFound, StoreUnavailable):
            return None

    def left(self) -> None:
        """Runs in the hub once the greenlet has ended."""
        if self._ended:
            self._runner.ended(self._ctx.request_id)
        else:  # it never got there
            gevent.spawn(self._afterwards)

    def _afterwards(self) -> None:
        if not self._ended:
            self._conclude_now()
        self._runner.ended(self._ctx.request_id)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else ""
