import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isAfter } from '../../src/core/ids.ts';
import type { ActionData, Part, RequestRecord } from '../../src/core/types.ts';
import { frame } from './frames.ts';

/** What goes wrong with one stream. Each GET takes the next from the list; none left is a good stream. */
export type Fault =
  | { kind: 'cut'; after: { events: number } | { bytes: number }; how: 'fin' | 'rst' }
  | { kind: 'silent'; from: 'headers' | 'body' | 'events' }
  | { kind: 'answer'; status: number; code?: string; headers?: Record<string, string>; body?: string }
  | { kind: 'notice'; state: 'draining' | 'closing'; after: number };

interface Entry {
  id: string;
  event: string;
  data: object;
  frame: string;
}

/** One request and its log, with what a handler may say. */
export class Run {
  readonly log: Entry[] = [];
  readonly createdAt = Date.now();
  readonly #parts: Part[] = [];
  readonly #actions = new Map<string, ActionData>();
  #watchers = new Set<() => void>();
  status = 'running';
  result: RequestRecord['result'] = null;

  constructor(
    readonly id: string,
    readonly body: { prompt: string; mode: string; track_id?: string; context?: Record<string, unknown> },
  ) {
    this.append('status', { state: 'accepted' });
  }

  get closed(): boolean {
    return this.result !== null;
  }

  get text(): string {
    return this.#parts.map(({ part, text }) => (part === 'text' ? text : '')).join('');
  }

  append(event: string, data: object): void {
    if (this.closed) return;
    const stamped = { ts: Date.now(), ...data };
    const id = `1-${this.log.length + 1}`;
    this.log.push({ id, event, data: stamped, frame: frame(id, event, stamped) });
    if (event === 'complete' || event === 'error') this.result = stamped as RequestRecord['result'];
    for (const wake of this.#watchers) wake();
  }

  chunk(text: string, more: Partial<Part> = {}): void {
    const head = { part: 'text', index: 0, ...more };
    const known = this.#parts.find(({ index }) => index === head.index);
    if (known) known.text += text;
    else this.#parts.push({ ...head, text });
    this.append('response_chunk', { text, ...head });
  }

  stage(stage: string, label: string, state = 'started'): void {
    this.append('stage', { stage, label, state });
  }

  propose(action: Omit<ActionData, 'ts' | 'phase'>): void {
    this.#actions.set(action.action_id, { ts: Date.now(), phase: 'proposed', ...action });
    this.append('action', { phase: 'proposed', ...action });
  }

  complete(outcome = 'completed'): void {
    this.status = outcome;
    const actions = [...this.#actions.values()];
    this.append('complete', {
      outcome,
      text: this.text,
      parts: this.#parts,
      actions,
      model: 'test',
      finish_reason: 'stop',
    });
  }

  fail(code: string, more: object = {}): void {
    this.status = 'failed';
    const partial = { text: this.text, parts: this.#parts };
    this.append('error', { code, message: 'It failed.', retryable: true, partial, ...more });
  }

  watch(wake: () => void): () => void {
    this.#watchers.add(wake);
    return () => this.#watchers.delete(wake);
  }

  /** The status code for a reply to an action; the run hears of it by `onReply`. */
  reply(actionId: string, reply: { status: string; claim?: string; value?: unknown }): number {
    const action = this.#actions.get(actionId) as (ActionData & { claim?: string }) | undefined;
    if (!action) return 404;
    if (reply.status === 'claimed') {
      if (action.phase !== 'proposed') return action.claim === reply.claim ? 202 : 409;
      Object.assign(action, { phase: 'claimed', claim: reply.claim });
    } else {
      if (action.phase === 'resolved') return 409;
      Object.assign(action, { phase: 'resolved', status: reply.status, value: reply.value });
    }
    const { claim: _secret, ...shown } = action;
    this.append('action', shown);
    if (reply.status !== 'claimed') this.onReply(actionId, reply.status, reply.value);
    return 202;
  }

  onReply: (actionId: string, status: string, value: unknown) => void = () => {};
}

export interface FaultServerOptions {
  /** What the model does with a request. */
  answer?: (run: Run) => void;
  /** The `retry:` line, ms; small, so that tests are quick. */
  retry?: number;
  heartbeat?: number;
  /** Serves what is not the API. */
  page?: (
    path: string,
  ) => { type: string; body: string | Uint8Array; headers?: Record<string, string> } | undefined;
}

/** The server's contract in small, which breaks when it is told to. Loopback only. */
export class FaultServer {
  readonly faults: Fault[] = [];
  readonly runs = new Map<string, Run>();
  readonly keys = new Map<string, Run>();
  /** `METHOD path` of every call. */
  readonly seen: string[] = [];
  /** POSTs whose answer is lost after the run was made. */
  losePosts = 0;
  /** Problems to answer the next POSTs with. */
  readonly refusals: { status: number; code: string; retryAfter?: number }[] = [];
  readonly #server: Server;
  #ids = 0;

  private constructor(readonly options: FaultServerOptions) {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  static async start(options: FaultServerOptions = {}): Promise<FaultServer> {
    const server = new FaultServer(options);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get baseUrl(): string {
    return `${this.origin}/assistant`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** A run that is there without a POST. */
  add(body: Run['body'], answer = this.options.answer): Run {
    const id = `20261122T081438348Z-00000000-0000-4000-8000-${String(++this.#ids).padStart(12, '0')}`;
    const run = new Run(id, body);
    this.runs.set(id, run);
    answer?.(run);
    return run;
  }

  count(match: string): number {
    return this.seen.filter((line) => line.startsWith(match)).length;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.origin);
    const path = url.pathname.replace(/^\/assistant/, '');
    const page = /^\/assistant(\/|$)/.test(url.pathname) ? undefined : this.options.page?.(url.pathname);
    if (page) {
      response.writeHead(200, { 'Content-Type': page.type, ...page.headers }).end(page.body);
      return;
    }
    this.seen.push(`${request.method} ${path}${url.search}`);
    if (request.method === 'POST' && path === '/request') return this.#post(request, response);
    if (path === '/requests') return this.#list(url, response);
    const [, kind, id = '', , actionId = ''] = path.split('/');
    const run = this.runs.get(id);
    if (!run) return problem(response, 404, 'not_found');
    if (kind === 'stream') return this.#stream(run, request, response);
    if (request.method === 'DELETE') return this.#cancel(run, response);
    if (request.method === 'POST') return this.#reply(run, actionId, request, response);
    if (url.searchParams.has('wait')) return this.#poll(run, url, response);
    json(response, 200, this.#record(run));
  }

  async #post(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const refusal = this.refusals.shift();
    if (refusal) return problem(response, refusal.status, refusal.code, retryAfter(refusal.retryAfter));
    const key = String(request.headers['idempotency-key'] ?? '');
    const known = this.keys.get(key);
    const run = known ?? this.add(JSON.parse(body));
    this.keys.set(key, run);
    if (this.losePosts-- > 0) {
      request.socket.resetAndDestroy();
      return;
    }
    const accepted = { request_id: run.id, status: 'accepted', stream_url: `/assistant/stream/${run.id}` };
    const times = { created_at: run.createdAt, expires_at: run.createdAt + 1_800_000 };
    json(response, 201, { ...accepted, ...times }, known ? { 'Idempotent-Replayed': 'true' } : {});
  }

  #list(url: URL, response: ServerResponse): void {
    const track = url.searchParams.get('track_id');
    const mine = [...this.runs.values()].filter((run) => track === null || run.body.track_id === track);
    json(response, 200, { requests: mine.reverse().map((run) => this.#record(run)) });
  }

  #record(run: Run): object {
    const { prompt, mode, track_id = null } = run.body;
    const ids = { request_id: run.id, last_event_id: run.log.at(-1)?.id };
    const times = { created_at: run.createdAt, expires_at: run.createdAt + 1_800_000 };
    return {
      ...ids,
      status: run.status,
      mode,
      track_id,
      prompt,
      ...times,
      viewers: 0,
      pending_actions: [],
      result: run.result,
    };
  }

  #cancel(run: Run, response: ServerResponse): void {
    if (run.closed) return json(response, 200, this.#record(run));
    run.append('status', { state: 'cancelling', reason: 'user' });
    run.complete('cancelled');
    json(response, 202, this.#record(run));
  }

  async #reply(
    run: Run,
    actionId: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const status = run.reply(actionId, JSON.parse(await bodyOf(request)));
    if (status === 202) json(response, 202, {});
    else problem(response, status, 'conflict');
  }

  #poll(run: Run, url: URL, response: ServerResponse): void {
    const after = url.searchParams.get('after') ?? '0';
    const events = run.log
      .filter(({ id }) => isAfter(id, after))
      .map(({ id, event, data }) => ({ id, event, data }));
    json(response, 200, { events, notices: [], next: run.log.at(-1)?.id, closed: run.closed });
  }

  #stream(run: Run, request: IncomingMessage, response: ServerResponse): void {
    const fault = this.faults.shift();
    if (fault?.kind === 'answer') {
      if (fault.body === undefined)
        return problem(response, fault.status, fault.code ?? 'internal', fault.headers);
      response.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    }
    if (fault?.kind === 'silent' && fault.from === 'headers') return;
    const cursor = String(request.headers['last-event-id'] ?? '0');
    if (run.closed && cursor === run.log.at(-1)?.id) {
      response.writeHead(204).end();
      return;
    }
    new Viewer(run, cursor, response, fault, this.options).start();
  }
}

/** One open stream, and what is wrong with it. */
class Viewer {
  #sentEvents = 0;
  #sentBytes = 0;
  #stopWatching = () => {};

  constructor(
    private readonly run: Run,
    private cursor: string,
    private readonly response: ServerResponse,
    private readonly fault: Fault | undefined,
    private readonly options: FaultServerOptions,
  ) {}

  start(): void {
    const { heartbeat = 15, retry = 20 } = this.options;
    const headers = {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Assistant-Heartbeat': String(heartbeat),
    };
    this.response.writeHead(200, { ...headers, 'Cache-Control': 'no-cache, no-transform' });
    this.response.flushHeaders();
    if (this.fault?.kind === 'silent' && this.fault.from === 'body') return;
    this.#write(`retry: ${retry}\n`);
    if (this.fault?.kind === 'silent') return;
    if (this.cursor !== '0' && !this.run.log.some(({ id }) => id === this.cursor)) {
      this.#write(frame(null, 'status', { state: 'reset' }));
      this.cursor = '0';
    }
    this.response.on('close', () => this.#stopWatching());
    this.#stopWatching = this.run.watch(() => this.#pump());
    this.#pump();
  }

  #pump(): void {
    for (const entry of this.run.log.filter(({ id }) => isAfter(id, this.cursor))) {
      if (this.#interfere()) return;
      this.cursor = entry.id;
      this.#sentEvents += 1;
      if (!this.#write(entry.frame)) return;
    }
    if (this.#interfere()) return;
    if (this.run.closed) this.#end();
  }

  /** True when the fault struck between two events. */
  #interfere(): boolean {
    if (this.fault?.kind === 'notice' && this.#sentEvents >= this.fault.after) {
      const reason = this.fault.state === 'closing' ? { reason: 'auth_expired' } : {};
      this.#write(`retry: 10\n${frame(null, 'status', { state: this.fault.state, ...reason })}`);
      this.#end();
      return true;
    }
    const limit =
      this.fault?.kind === 'cut' && 'events' in this.fault.after ? this.fault.after.events : Infinity;
    if (this.#sentEvents < limit) return false;
    this.#cut();
    return true;
  }

  /** False when the fault struck within this text. */
  #write(text: string): boolean {
    const bytes = Buffer.from(text);
    const limit =
      this.fault?.kind === 'cut' && 'bytes' in this.fault.after ? this.fault.after.bytes : Infinity;
    const room = limit - this.#sentBytes;
    this.#sentBytes += bytes.length;
    if (room >= bytes.length) {
      this.response.write(bytes);
      return true;
    }
    this.response.write(bytes.subarray(0, Math.max(0, room)), () => this.#cut());
    return false;
  }

  #cut(): void {
    this.#stopWatching();
    const { socket } = this.response;
    if (this.fault?.kind === 'cut' && this.fault.how === 'rst') socket?.resetAndDestroy();
    // What was written must leave first: a close is orderly.
    else setImmediate(() => socket?.end());
  }

  #end(): void {
    this.#stopWatching();
    this.response.end();
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
}

function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));
}

function problem(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  const body = JSON.stringify({
    type: `/problems/${code}`,
    title: code,
    status,
    detail: `Because of ${code}.`,
    code,
  });
  response.writeHead(status, { 'Content-Type': 'application/problem+json', ...headers }).end(body);
}

function retryAfter(seconds: number | undefined): Record<string, string> {
  return seconds === undefined ? {} : { 'Retry-After': String(seconds) };
}
