import { AssistantError, cancelledError } from './errors.ts';
import { Http } from './http.ts';
import { type ClientOptions, connectTimeout, httpOptions, retryPolicy } from './options.ts';
import { DEFAULT_RETRY, isTransient, retryDelay } from './retry.ts';
import { createPause, createRuntime, type Runtime } from './runtime.ts';
import { type AssistantStream, type Origin, Stream, type StreamOptions, type StreamParts } from './stream.ts';
import { createTracer } from './trace.ts';
import type { Accepted, ActionReply, AssistantRequest, RequestRecord } from './types.ts';

export interface CallOptions {
  signal?: AbortSignal;
}

export interface SendOptions extends CallOptions {
  /** Names this request; the same key and body never start a second run. Default: a new random one. */
  idempotencyKey?: string;
}

/** What a POST gave: enough to stream now, later or elsewhere. */
export interface RequestHandle {
  readonly requestId: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly expiresAt: number;
  /** True when the server knew this idempotency key: no new run was started. */
  readonly replayed: boolean;
  stream(options?: StreamOptions): AssistantStream;
  cancel(options?: CallOptions): Promise<RequestRecord | null>;
}

export interface ListQuery {
  track_id?: string;
  state?: 'active' | 'ended';
}

export interface AssistantClient {
  /** POST only. Aborting the signal cancels the run. */
  requestAssistant(request: AssistantRequest, options?: SendOptions): Promise<RequestHandle>;
  /** GET only; resumes by itself. Aborting the signal detaches, the run goes on. */
  streamAssistantResponse(requestId: string, options?: StreamOptions): AssistantStream;
  /** Both. Aborting the signal cancels the run. */
  interactWithAssistant(request: AssistantRequest, options?: SendOptions & StreamOptions): AssistantStream;
  /** Stops a run; the record when it had ended already, null when the server has been told or knows no such run. */
  cancel(requestId: string, options?: CallOptions): Promise<RequestRecord | null>;
  status(requestId: string, options?: CallOptions): Promise<RequestRecord>;
  /** Mine, newest first. */
  list(query?: ListQuery, options?: CallOptions): Promise<RequestRecord[]>;
  submitAction(requestId: string, actionId: string, reply: ActionReply, options?: CallOptions): Promise<void>;
}

/** Tries for calls that are safe to repeat and worth insisting on: a cancel, an action's answer. */
const INSIST = 4;
/** Base of the delays between them, ms: someone is waiting. */
const INSIST_BASE = 250;

export function createAssistantClient(options: ClientOptions = {}): AssistantClient {
  const runtime = createRuntime({ ...options.runtime, ...(options.fetch ? { fetch: options.fetch } : {}) });
  const trace = createTracer(options.hooks, runtime.clock.now);
  const http = new Http(httpOptions(options), runtime, trace);
  const policy = retryPolicy(options);
  const parts: StreamParts = {
    http,
    runtime,
    policy,
    trace,
    connectTimeout: connectTimeout(options),
    cancel,
  };

  /** Repeated once when no HTTP answer came; the key makes that safe. */
  async function post(request: AssistantRequest, key: string, signal: AbortSignal, onSend: () => void) {
    const headers = { 'Idempotency-Key': key };
    const call = { method: 'POST', path: '/request', stage: 'request', headers, signal, onSend } as const;
    const body = JSON.stringify(request);
    const began = runtime.clock.now();
    const send = () => http.json<Accepted>({ ...call, body });
    const answer = await send().catch((error: AssistantError) => {
      if (error.kind !== 'network') throw error;
      return send();
    });
    trace({ type: 'accepted', requestId: answer.body.request_id, took: runtime.clock.now() - began });
    return answer;
  }

  function begin(request: AssistantRequest, { idempotencyKey = runtime.uuid() }: SendOptions) {
    const before = new AbortController();
    let sent = false;
    const onSend = () => {
      sent = true;
    };
    const answer = post(request, idempotencyKey, before.signal, onSend);
    const abandon = () => {
      if (!sent) before.abort(cancelledError('request'));
      return !sent;
    };
    return { answer, abandon };
  }

  async function requestAssistant(
    request: AssistantRequest,
    sending: SendOptions = {},
  ): Promise<RequestHandle> {
    if (sending.signal?.aborted) throw cancelledError('request');
    const { answer, abandon } = begin(request, sending);
    const release = onAbort(sending.signal, abandon);
    const { body, headers } = await answer.finally(release).catch((error: AssistantError) => {
      throw sending.signal?.aborted && error.kind === 'network' ? cancelledError('request') : error;
    });
    if (sending.signal?.aborted) {
      await cancel(body.request_id);
      throw cancelledError('request');
    }
    return {
      requestId: body.request_id,
      createdAt: body.created_at,
      expiresAt: body.expires_at,
      replayed: headers.get('idempotent-replayed') === 'true',
      stream: (streaming) => streamAssistantResponse(body.request_id, streaming),
      cancel: (calling) => cancel(body.request_id, calling),
    };
  }

  function streamAssistantResponse(requestId: string, streaming: StreamOptions = {}): AssistantStream {
    const origin: Origin = { requestId: Promise.resolve(requestId), abandon: () => false };
    const stream = new Stream(origin, streaming, parts);
    const release = onAbort(streaming.signal, () => stream.detach());
    stream.done.then(release, release);
    return stream;
  }

  function interactWithAssistant(
    request: AssistantRequest,
    both: SendOptions & StreamOptions = {},
  ): AssistantStream {
    const origin = both.signal?.aborted ? neverBegun() : toOrigin(begin(request, both));
    const stream = new Stream(origin, both, parts);
    const release = onAbort(both.signal, () => void stream.cancel().catch(() => {}));
    stream.done.then(release, release);
    return stream;
  }

  async function cancel(requestId: string, { signal }: CallOptions = {}): Promise<RequestRecord | null> {
    const call = { method: 'DELETE', path: `/request/${requestId}`, stage: 'cancel', signal } as const;
    try {
      const { status, body } = await insist(runtime, () => http.json<RequestRecord>(call), signal);
      return status === 200 ? body : null;
    } catch (error) {
      if (error instanceof AssistantError && error.kind === 'gone') return null;
      throw error;
    }
  }

  async function status(requestId: string, { signal }: CallOptions = {}): Promise<RequestRecord> {
    const { body } = await http.json<RequestRecord>({
      path: `/request/${requestId}`,
      stage: 'request',
      signal,
    });
    return body;
  }

  async function list(query: ListQuery = {}, { signal }: CallOptions = {}): Promise<RequestRecord[]> {
    const path = `/requests?${new URLSearchParams({ ...query })}`;
    const { body } = await http.json<{ requests: RequestRecord[] }>({ path, stage: 'request', signal });
    return body.requests;
  }

  async function submitAction(
    requestId: string,
    actionId: string,
    reply: ActionReply,
    { signal }: CallOptions = {},
  ) {
    const path = `/request/${requestId}/actions/${encodeURIComponent(actionId)}`;
    const call = { method: 'POST', path, stage: 'action', body: JSON.stringify(reply), signal } as const;
    await insist(runtime, () => http.json(call), signal);
  }

  return {
    requestAssistant,
    streamAssistantResponse,
    interactWithAssistant,
    cancel,
    status,
    list,
    submitAction,
  };
}

const NEVER = new AbortController().signal;

/** Runs a call that is safe to repeat until it is answered, or has failed often enough. */
async function insist<T>(runtime: Runtime, run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof AssistantError) || !isTransient(error) || failures >= INSIST) throw error;
      const facts = { failures, base: INSIST_BASE, retryAfter: error.retryAfter, random: runtime.random };
      await createPause(runtime.clock, retryDelay(DEFAULT_RETRY, facts), signal ?? NEVER, 'request').done;
    }
  }
}

function toOrigin({
  answer,
  abandon,
}: {
  answer: Promise<{ body: Accepted }>;
  abandon: () => boolean;
}): Origin {
  return { requestId: answer.then(({ body }) => body.request_id), abandon };
}

/** A request cancelled before it was made. */
function neverBegun(): Origin {
  return { requestId: Promise.reject(cancelledError('request')), abandon: () => true };
}

function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (!signal) return () => {};
  if (signal.aborted) act();
  else signal.addEventListener('abort', act, { once: true });
  return () => signal.removeEventListener('abort', act);
}
