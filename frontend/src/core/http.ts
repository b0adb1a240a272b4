import { Credentials, type TokenProvider } from './auth.ts';
import {
  errorOfResponse,
  isRecord,
  networkError,
  protocolError,
  reasonOf,
  type Stage,
  timeoutError,
} from './errors.ts';
import { linkedController, type Runtime, unlessAborted } from './runtime.ts';
import type { Tracer } from './trace.ts';

export interface HttpOptions {
  /** Where the server's routes are, without a trailing slash. */
  baseUrl: string;
  credentials: RequestCredentials;
  headers: () => Record<string, string>;
  token: TokenProvider | undefined;
  csrf: () => Record<string, string>;
  /** Longest time for one call, its body included, ms. */
  timeout: number;
}

export interface Call {
  method?: 'GET' | 'POST' | 'DELETE';
  path: string;
  stage: Stage;
  headers?: Record<string, string>;
  /** JSON, ready to send. */
  body?: string;
  signal?: AbortSignal | undefined;
  /** Called when the first byte may have left: from here on the server may know of the call. */
  onSend?: () => void;
}

/** One call with credentials and a deadline; everything but a 2xx is thrown as an AssistantError. */
export class Http {
  readonly #credentials: Credentials;
  readonly #tokenOf = new WeakMap<Response, string | null>();
  #calls = 0;

  constructor(
    private readonly options: HttpOptions,
    private readonly runtime: Runtime,
    private readonly trace: Tracer,
  ) {
    const guest = (signal: AbortSignal) => this.#openSession(signal);
    this.#credentials = new Credentials(options.token, guest, runtime.clock, options.timeout);
  }

  /** A call and its JSON, both within the deadline. */
  async json<T>(call: Call): Promise<{ status: number; headers: Headers; body: T }> {
    const deadline = linkedController(call.signal);
    const stop = this.runtime.clock.after(this.options.timeout, () =>
      deadline.abort(timeoutError(call.stage)),
    );
    try {
      const response = await this.open({ ...call, signal: deadline.signal });
      const body = (await this.#body(response, call.stage, deadline.signal)) as T;
      return { status: response.status, headers: response.headers, body };
    } finally {
      stop();
      deadline.release();
    }
  }

  /** A call whose body the caller reads; it has no deadline of its own. */
  async open(call: Call): Promise<Response> {
    const signal = call.signal ?? new AbortController().signal;
    const token = await this.#credentials.current(signal);
    let response = await this.#send(call, token, signal);
    if (response.status === 401 && (await this.#credentials.refresh(token, 'rejected', signal))) {
      // An unread body keeps its connection busy.
      void response.body?.cancel().catch(() => {});
      response = await this.#send(call, await this.#credentials.current(signal), signal);
    }
    if (response.ok) return response;
    throw errorOfResponse(response, await response.json().catch(() => null), call.stage);
  }

  /** Asks for a token that lives longer than the one this answer was got with. */
  async renew(response: Response, signal: AbortSignal): Promise<void> {
    await this.#credentials.refresh(this.#tokenOf.get(response) ?? null, 'expired', signal);
  }

  async #send(call: Call, token: string | null, signal: AbortSignal): Promise<Response> {
    const { method = 'GET', path, stage } = call;
    const id = ++this.#calls;
    if (signal.aborted) throw reasonOf(signal, stage);
    call.onSend?.();
    this.trace({ type: 'request', call: id, method, path, ...cursorOf(call) });
    try {
      const response = await this.runtime.fetch(`${this.options.baseUrl}${path}`, {
        method,
        headers: this.#headers(call, token),
        credentials: this.options.credentials,
        cache: 'no-store',
        signal,
        ...(call.body === undefined ? {} : { body: call.body }),
      });
      const instance = response.headers.get('assistant-instance');
      this.trace({ type: 'response', call: id, status: response.status, instance });
      this.#tokenOf.set(response, token);
      return response;
    } catch (cause) {
      const error = signal.aborted ? reasonOf(signal, stage) : networkError(stage, cause);
      this.trace({ type: 'failure', call: id, code: error.code, message: error.message });
      throw error;
    }
  }

  #headers(call: Call, token: string | null): Record<string, string> {
    return {
      ...this.options.headers(),
      ...(call.method === 'POST' || call.method === 'DELETE' ? this.options.csrf() : {}),
      ...(call.body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      ...call.headers,
    };
  }

  async #body(response: Response, stage: Stage, signal: AbortSignal): Promise<unknown> {
    try {
      const text = await unlessAborted(response.text(), signal, stage);
      return text === '' ? null : JSON.parse(text);
    } catch (cause) {
      if (signal.aborted) throw reasonOf(signal, stage);
      if (cause instanceof SyntaxError) throw protocolError('The server sent no JSON.', 'malformed', stage);
      throw networkError(stage, cause);
    }
  }

  /** A guest's token; null where guests are off (404). */
  async #openSession(signal: AbortSignal): Promise<string | null> {
    const call: Call = { method: 'POST', path: '/session', stage: 'request' };
    const response = await this.#send(call, null, signal);
    if (response.status === 404) return null;
    const body = await this.#body(response, 'request', signal).catch(() => null);
    if (!response.ok) throw errorOfResponse(response, body, 'request');
    return isRecord(body) && typeof body.access_token === 'string' ? body.access_token : null;
  }
}

function cursorOf(call: Call): { cursor?: string } {
  const cursor = call.headers?.['Last-Event-ID'];
  return cursor === undefined ? {} : { cursor };
}
