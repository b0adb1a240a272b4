import { Connection, type ConnectionParts, type ConnectionState, type Sink } from './connection.ts';
import { isTerminal, terminalOf } from './decode.ts';
import { type AssistantError, cancelledError, errorOfEvent } from './errors.ts';
import { EventQueue } from './event-queue.ts';
import { isAfter, START } from './ids.ts';
import type { Stop } from './runtime.ts';
import { appendChunk, textOf } from './transcript.ts';
import type { AssistantEvent, CompleteData, Part, RequestRecord } from './types.ts';

/** After a cancel, the server's last word is awaited this long, ms. */
const LAST_WORD = 2_000;

export type StreamState = 'sending' | ConnectionState | 'cancelling' | 'ended' | 'failed' | 'detached';

/** Where a stream stands; `tries` and `retryAt` are for a banner. */
export interface StreamStatus {
  state: StreamState;
  /** Connections that failed in a row. */
  tries: number;
  /** When the next try comes, ms since 1970. */
  retryAt: number | null;
}

export interface StreamOptions {
  signal?: AbortSignal;
  /** The cursor to start after: the id of the last event already handled. */
  lastEventId?: string;
  /** What was said up to there; a cancel that gets no last word ends with it and what came since. */
  parts?: readonly Part[];
  /** Called with each event in order. A stream with it cannot be iterated as well. */
  onEvent?: (event: AssistantEvent) => void;
  onState?: (status: StreamStatus) => void;
}

/** One request's events, resumed until the terminal one. Iterate it, or use callbacks. */
export interface AssistantStream extends AsyncIterable<AssistantEvent> {
  readonly requestId: Promise<string>;
  readonly state: StreamState;
  /** Id of the last event handed out. */
  readonly lastEventId: string;
  /** Resolves with the answer, also a cancelled one; rejects with an AssistantError. */
  readonly done: Promise<CompleteData>;
  /** Stops the run on the server, at any stage; the text so far is kept. */
  cancel(): Promise<void>;
  /** Ends the wait before the next try. */
  retryNow(): void;
  /** Stops listening; the run goes on. */
  detach(): void;
}

/** How the request comes to be; a stream of a known request has an origin that is there already. */
export interface Origin {
  requestId: Promise<string>;
  /** Ends what has not left yet. False when it has: then it must be waited for. */
  abandon(): boolean;
}

export interface StreamParts extends ConnectionParts {
  /** Tells the server to stop; the record when it had ended already. */
  cancel(requestId: string): Promise<RequestRecord | null>;
}

export class Stream implements AssistantStream, Sink {
  readonly requestId: Promise<string>;
  readonly done: Promise<CompleteData>;
  cursor: string;
  ended = false;

  #status: StreamStatus = { state: 'sending', tries: 0, retryAt: null };
  #id: string | undefined;
  #handed: string;
  #transcript: Part[];
  #cancelling: Promise<void> | null = null;
  #connection: Connection | null = null;
  #stopLastWord: Stop = () => {};
  #resolve!: (data: CompleteData) => void;
  #reject!: (error: unknown) => void;
  readonly #queue: EventQueue | null;
  readonly #life = new AbortController();

  constructor(
    private readonly origin: Origin,
    private readonly options: StreamOptions,
    private readonly parts: StreamParts,
  ) {
    this.cursor = options.lastEventId ?? START;
    this.#handed = this.cursor;
    this.#transcript = [...(options.parts ?? [])];
    this.requestId = origin.requestId;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever only iterates never looks at these two: their rejection must not count as unhandled.
    this.done.catch(() => {});
    this.requestId.catch(() => {});
    this.#queue = options.onEvent
      ? null
      : new EventQueue(
          (event) => this.#hand(event),
          () => this.detach(),
        );
    void this.#run();
  }

  get state(): StreamState {
    return this.#status.state;
  }

  get lastEventId(): string {
    return this.#handed;
  }

  [Symbol.asyncIterator](): AsyncIterator<AssistantEvent> {
    if (!this.#queue) throw new TypeError('This stream has onEvent; it cannot be iterated as well.');
    return this.#queue.iterator();
  }

  cancel(): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    this.#cancelling ??= this.#cancel();
    return this.#cancelling;
  }

  retryNow(): void {
    this.#connection?.wake();
  }

  detach(): void {
    if (this.#isOver) return;
    this.origin.abandon();
    this.#fail(cancelledError('stream', 'detached'), 'detached');
  }

  accept(event: AssistantEvent): void {
    if (this.#isOver) return;
    if (event.id !== null) {
      // A terminal event is never a repeat: having seen it, the stream would be over.
      if (!isAfter(event.id, this.cursor) && !isTerminal(event)) return;
      this.cursor = event.id;
    }
    if (event.event === 'notice' && event.data.state === 'reset') this.#reset();
    if (event.event === 'response_chunk') this.#transcript = appendChunk(this.#transcript, event.data);
    if (isTerminal(event)) this.ended = true;
    this.#deliver(event);
    if (event.event === 'complete') this.#finish('ended', () => this.#resolve(event.data));
    if (event.event === 'error')
      this.#finish('ended', () => this.#reject(errorOfEvent(event.data, this.#id)));
  }

  onConnection(state: ConnectionState, tries: number, retryAt: number | null): void {
    this.#setState(this.#cancelling ? 'cancelling' : state, tries, retryAt);
  }

  get #isOver(): boolean {
    return this.ended || this.#life.signal.aborted;
  }

  async #run(): Promise<void> {
    try {
      this.#id = await this.origin.requestId;
      if (this.#isOver) return;
      this.#connection = new Connection(this.#id, this, this.#life.signal, this.parts);
      await this.#connection.run();
    } catch (error) {
      if (!this.#isOver) this.#onFailure(error as AssistantError);
    }
  }

  #onFailure(error: AssistantError): void {
    // What the user stopped does not come back as a failure; only a refused POST is worth telling.
    if (this.#cancelling && this.#id !== undefined) this.#concludeCancelled();
    else
      this.#fail(this.#cancelling && error.kind === 'network' ? cancelledError('request') : error, 'failed');
  }

  #reset(): void {
    this.cursor = START;
    this.#transcript = [];
  }

  #deliver(event: AssistantEvent): void {
    if (this.#queue) {
      this.#queue.push(event);
      return;
    }
    this.#hand(event);
    shielded(() => this.options.onEvent?.(event));
  }

  #hand(event: AssistantEvent): void {
    if (event.id !== null) this.#handed = event.id;
    else if (event.event === 'notice' && event.data.state === 'reset') this.#handed = START;
  }

  async #cancel(): Promise<void> {
    this.#setState('cancelling');
    if (this.origin.abandon()) this.#fail(cancelledError('request'), 'failed');
    const id = await this.requestId.catch(() => null);
    // Who has left since, by a window that was closed, still wanted the run to stop.
    if (id === null || (this.#isOver && this.state !== 'detached')) return;
    this.#stopLastWord = this.parts.runtime.clock.after(LAST_WORD, () => this.#concludeCancelled());
    const record = await this.parts.cancel(id);
    const event = record && terminalOf(record);
    if (event) this.accept(event);
    this.retryNow();
  }

  /** The server has not said its last word in time: what is here is what there is. */
  #concludeCancelled(): void {
    if (this.#isOver) return;
    const data: CompleteData = {
      ts: this.parts.runtime.clock.now(),
      outcome: 'cancelled',
      text: textOf(this.#transcript),
      parts: this.#transcript,
    };
    this.ended = true;
    this.#deliver({ event: 'complete', id: this.cursor, data });
    this.#finish('ended', () => this.#resolve(data));
  }

  #fail(error: AssistantError, state: 'failed' | 'detached'): void {
    this.#finish(state, () => this.#reject(error), state === 'failed' ? error : undefined);
  }

  #finish(state: 'ended' | 'failed' | 'detached', settle: () => void, error?: AssistantError): void {
    this.ended = true;
    this.#stopLastWord();
    this.#life.abort(error ?? cancelledError('stream', 'detached'));
    this.#setState(state);
    this.#queue?.close(error);
    settle();
  }

  #setState(state: StreamState, tries = 0, retryAt: number | null = null): void {
    const last = this.#status;
    if (last.state === state && last.tries === tries && last.retryAt === retryAt) return;
    this.#status = { state, tries, retryAt };
    this.parts.trace({ type: 'state', requestId: this.#id ?? null, state });
    shielded(() => this.options.onState?.(this.#status));
  }
}

/** The page's mistake is reported as the page's, and the stream goes on. */
function shielded(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    console.error('assistant: a callback of the page failed', error);
  }
}
