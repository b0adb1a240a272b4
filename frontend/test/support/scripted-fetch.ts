export interface SeenCall {
  method: string;
  path: string;
  headers: Headers;
  body: string | null;
  signal: AbortSignal;
}

export type Responder = (call: SeenCall) => Response | Promise<Response>;

/** A `fetch` that answers from a script: first what was queued, then what its route says. */
export class ScriptedFetch {
  readonly calls: SeenCall[] = [];
  readonly #queue: { match: string; respond: Responder }[] = [];
  readonly #routes: { match: string; respond: Responder }[] = [];

  /** Answers the next call whose `METHOD path` starts with `match`, once. */
  once(match: string, respond: Responder): this {
    this.#queue.push({ match, respond });
    return this;
  }

  /** Answers every such call that nothing is queued for. */
  always(match: string, respond: Responder): this {
    this.#routes.push({ match, respond });
    return this;
  }

  seen(match: string): SeenCall[] {
    return this.calls.filter((call) => `${call.method} ${call.path}`.startsWith(match));
  }

  readonly fetch: typeof fetch = async (input, init = {}) => {
    const signal = init.signal ?? new AbortController().signal;
    signal.throwIfAborted();
    const call: SeenCall = {
      method: init.method ?? 'GET',
      path: String(input).replace(/^\/assistant/, ''),
      headers: new Headers(init.headers),
      body: typeof init.body === 'string' ? init.body : null,
      signal,
    };
    this.calls.push(call);
    const respond = this.#take(`${call.method} ${call.path}`);
    if (!respond) throw new TypeError(`no answer in the script for ${call.method} ${call.path}`);
    return unlessAborted(respond(call), signal);
  };

  #take(line: string): Responder | undefined {
    const at = this.#queue.findIndex(({ match }) => line.startsWith(match));
    if (at >= 0) return this.#queue.splice(at, 1)[0]?.respond;
    return this.#routes.find(({ match }) => line.startsWith(match))?.respond;
  }
}

function unlessAborted(answer: Response | Promise<Response>, signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    Promise.resolve(answer).then(resolve, reject);
  });
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  const type = status >= 400 ? 'application/problem+json' : 'application/json';
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': type, ...headers } });
}

export function problem(status: number, code: string, headers: Record<string, string> = {}): Response {
  return json(status, { type: `/problems/${code}`, title: code, status, detail: `${code}.`, code }, headers);
}

export const offline: Responder = () => Promise.reject(new TypeError('fetch failed'));
export const silent: Responder = () => new Promise(() => {});

const encoder = new TextEncoder();

/** A stream response that the test writes, closes or breaks. */
export class LiveStream {
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  cancelled = false;
  readonly response: Response;

  constructor(headers: Record<string, string> = {}) {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => {
        this.cancelled = true;
      },
    });
    const all = {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Assistant-Heartbeat': '15',
      ...headers,
    };
    this.response = new Response(body, { headers: all });
  }

  write(text: string): this {
    this.#controller.enqueue(encoder.encode(text));
    return this;
  }

  end(): this {
    this.#controller.close();
    return this;
  }

  break(): this {
    this.#controller.error(new TypeError('terminated'));
    return this;
  }
}

/** A stream that says this and closes. */
export function streamOf(...frames: string[]): Response {
  return new LiveStream().write(`retry: 2000\n${frames.join('')}`).end().response;
}

export function accept201(requestId: string): Response {
  return json(201, {
    request_id: requestId,
    status: 'accepted',
    stream_url: `/assistant/stream/${requestId}`,
    created_at: 1,
    expires_at: 2,
  });
}
