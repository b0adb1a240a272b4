import { decodeEvent, terminalOf, toEvent } from './decode.ts';
import { AssistantError, lostError, networkError, protocolError, reasonOf, timeoutError } from './errors.ts';
import type { Http } from './http.ts';
import { DEFAULT_BASE, isHopeless, isTransient, type RetryPolicy, retryDelay } from './retry.ts';
import { createPause, linkedController, type Runtime, type Stop } from './runtime.ts';
import { createFrameDecoder, type Frame, readBytes } from './sse.ts';
import type { Tracer } from './trace.ts';
import type { AssistantEvent, PollPage, RequestRecord } from './types.ts';
import { createWatchdog, silenceLimit, type Watchdog } from './watchdog.ts';

/** Between two polls, ms. */
const POLL_EVERY = 1_500;
/** Connections in a row that brought no first byte in time, after which it is polled. */
const STALLS_BEFORE_POLLING = 2;

export type ConnectionState = 'connecting' | 'open' | 'waiting' | 'polling';

/** Who the events are for. */
export interface Sink {
  readonly cursor: string;
  readonly ended: boolean;
  accept(event: AssistantEvent): void;
  /** `tries`: failures in a row; `retryAt`: when the next try comes, ms since 1970. */
  onConnection(state: ConnectionState, tries: number, retryAt: number | null): void;
}

export interface ConnectionParts {
  http: Http;
  runtime: Runtime;
  policy: RetryPolicy;
  trace: Tracer;
  /** Longest time until the first byte, ms. */
  connectTimeout: number;
}

type Planned = 'draining' | 'closing';

/** Follows one request to its terminal event through drops, silence, drains and proxies that buffer. */
export class Connection {
  #failures = 0;
  #stalls = 0;
  #planned = 0;
  /** When the present row of failures began. */
  #rowStart: number | null = null;
  /** When this connection brought its first event. */
  #openedAt: number | null = null;
  #sawEvent = false;
  /** The server's `retry:`, ms. */
  #base = DEFAULT_BASE;
  #endWait: Stop = () => {};
  #watchdog: Watchdog | null = null;

  constructor(
    private readonly requestId: string,
    private readonly sink: Sink,
    private readonly signal: AbortSignal,
    private readonly parts: ConnectionParts,
  ) {}

  /** Resolves after the terminal event; rejects when it is given up, refused, or aborted. */
  async run(): Promise<void> {
    const stopWake = this.parts.runtime.wake(() => this.wake());
    try {
      while (!this.sink.ended) await this.#round();
    } finally {
      stopWake();
    }
  }

  /** Ends the present wait, and forgives the time spent in it. */
  wake(): void {
    this.#rowStart = null;
    this.#watchdog?.check();
    this.#endWait();
  }

  async #round(): Promise<void> {
    this.#openedAt = null;
    this.#sawEvent = false;
    let planned: Planned | null = null;
    try {
      if (this.#stalls >= STALLS_BEFORE_POLLING) await this.#poll();
      else planned = await this.#stream();
    } catch (error) {
      if (this.signal.aborted) throw reasonOf(this.signal, 'stream');
      if (!(error instanceof AssistantError) || !isTransient(error)) throw error;
      await this.#backOff(error);
    }
    if (planned) await this.#comeBack(planned);
  }

  async #stream(): Promise<Planned | null> {
    const { clock } = this.parts.runtime;
    const link = linkedController(this.signal);
    const stopDeadline = clock.after(this.parts.connectTimeout, () => link.abort(timeoutError('connect')));
    this.#report('connecting');
    try {
      const response = await this.parts.http.open({
        path: `/stream/${this.requestId}`,
        stage: 'connect',
        headers: { Accept: 'text/event-stream', 'Last-Event-ID': this.sink.cursor },
        signal: link.signal,
      });
      if (response.status === 204) return await this.#settle();
      const planned = await this.#read(response, link, stopDeadline);
      if (planned === 'closing') await this.parts.http.renew(response, this.signal);
      return planned;
    } finally {
      stopDeadline();
      this.#watchdog?.stop();
      this.#watchdog = null;
      link.abort();
      link.release();
    }
  }

  async #read(response: Response, link: AbortController, stopDeadline: Stop): Promise<Planned | null> {
    const body = streamOf(response);
    let planned: Planned | null = null;
    const decode = createFrameDecoder(
      (frame) => {
        if (!this.sink.ended && !planned) planned = this.#accept(frame);
      },
      (ms) => {
        this.#base = ms;
      },
    );
    const onBytes = (bytes: Uint8Array) => {
      if (this.#openedAt === null) {
        stopDeadline();
        this.#onFirstByte(response, link);
      }
      this.#watchdog?.touch();
      decode(bytes);
      return !this.sink.ended && !planned;
    };
    try {
      await readBytes(body, onBytes, link.signal);
    } catch (cause) {
      throw cause instanceof AssistantError ? cause : networkError('stream', cause);
    }
    if (!this.sink.ended && !planned) throw lostError('The stream ended before its last event.');
    return planned;
  }

  #onFirstByte(response: Response, link: AbortController): void {
    const { clock } = this.parts.runtime;
    const limit = silenceLimit(response.headers.get('assistant-heartbeat'));
    this.#openedAt = clock.now();
    this.#stalls = 0;
    this.#rowStart = null;
    this.#watchdog = createWatchdog(clock, limit, () => link.abort(lostError('The stream fell silent.')));
    this.#report('open');
  }

  #accept({ id, event: name, data }: Frame): Planned | null {
    this.parts.trace({ type: 'frame', requestId: this.requestId, id: id ?? null, event: name, data });
    const event = decodeEvent(id, name, data);
    this.sink.accept(event);
    if (event.event === 'notice') return plannedClose(event.data.state);
    this.#sawEvent = true;
    return null;
  }

  async #poll(): Promise<void> {
    this.#report('polling');
    const query = `after=${encodeURIComponent(this.sink.cursor)}&wait=0`;
    const { body } = await this.parts.http.json<PollPage>({
      path: `/request/${this.requestId}?${query}`,
      stage: 'stream',
      signal: this.signal,
    });
    this.#failures = 0;
    this.#rowStart = null;
    for (const notice of body.notices ?? []) this.sink.accept(toEvent(null, 'status', notice));
    for (const { id, event, data } of body.events) this.sink.accept(toEvent(id, event, data));
    if (body.closed && !this.sink.ended) await this.#settle();
    if (!this.sink.ended) await this.#wait(POLL_EVERY);
  }

  /** Nothing is left to stream: the record has the outcome. */
  async #settle(): Promise<null> {
    const path = `/request/${this.requestId}`;
    const { body } = await this.parts.http.json<RequestRecord>({
      path,
      stage: 'stream',
      signal: this.signal,
    });
    const event = terminalOf(body);
    if (!event) throw protocolError('The server closed the stream of a request that goes on.');
    this.sink.accept(event);
    return null;
  }

  /** A planned close is no failure, but a server that only ever closes must not be asked for ever. */
  async #comeBack(planned: Planned): Promise<void> {
    this.#planned = this.#sawEvent ? 1 : this.#planned + 1;
    if (this.#planned > this.parts.policy.maxFailures)
      throw lostError('The server keeps closing the stream.');
    if (planned === 'draining' || this.#planned > 1) await this.#wait(this.#base);
  }

  async #backOff(error: AssistantError): Promise<void> {
    const { policy, runtime, trace } = this.parts;
    const now = runtime.clock.now();
    const life = this.#openedAt === null ? 0 : now - this.#openedAt;
    if (this.#sawEvent && life >= policy.healthyAfter) this.#failures = 0;
    if (error.code === 'timeout' && error.stage === 'connect') this.#stalls += 1;
    this.#failures += 1;
    this.#rowStart ??= now;
    const facts = { failures: this.#failures, base: this.#base, random: runtime.random };
    const delay = retryDelay(policy, { ...facts, retryAfter: error.retryAfter });
    // A wait that would end beyond hope is not begun: the reader is told now, with the time to come back.
    if (isHopeless(policy, this.#failures, now + delay - this.#rowStart)) throw error;
    trace({ type: 'retry', requestId: this.requestId, failures: this.#failures, delay, reason: error.code });
    this.#report('waiting', now + delay);
    await this.#wait(delay);
  }

  #wait(ms: number): Promise<void> {
    const pause = createPause(this.parts.runtime.clock, ms, this.signal, 'stream');
    this.#endWait = pause.end;
    return pause.done;
  }

  #report(state: ConnectionState, retryAt: number | null = null): void {
    this.sink.onConnection(state, this.#failures, retryAt);
  }
}

function plannedClose(state: string): Planned | null {
  return state === 'draining' || state === 'closing' ? state : null;
}

function streamOf(response: Response): ReadableStream<Uint8Array> {
  const type = response.headers.get('content-type') ?? '';
  if (!/^text\/event-stream\s*(;|$)/i.test(type) || !response.body) {
    throw protocolError(
      'The server answered with something other than an event stream.',
      'wrong_content_type',
      'connect',
    );
  }
  return response.body;
}
