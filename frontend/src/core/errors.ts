import type { ErrorData, Open } from './types.ts';

/** What the user can do about it; one sentence and one set of buttons each. */
export type ErrorKind =
  | 'invalid'
  | 'auth'
  | 'gone'
  | 'limited'
  | 'unavailable'
  | 'interrupted'
  | 'failed'
  | 'network'
  | 'protocol'
  | 'cancelled';

export type Stage = 'request' | 'connect' | 'stream' | 'action' | 'cancel';

/** The table of the contract: code to kind. */
const KIND_OF_CODE = {
  invalid_request: 'invalid',
  method_not_allowed: 'invalid',
  request_timeout: 'invalid',
  too_large: 'invalid',
  unsupported_media_type: 'invalid',
  idempotency_mismatch: 'invalid',
  content_refused: 'invalid',
  budget_exceeded: 'invalid',
  unauthorized: 'auth',
  forbidden: 'auth',
  not_found: 'gone',
  gone: 'gone',
  rate_limited: 'limited',
  too_many_active: 'limited',
  too_many_viewers: 'limited',
  server_full: 'unavailable',
  draining: 'unavailable',
  store_unavailable: 'unavailable',
  misconfigured: 'unavailable',
  provider_unavailable: 'unavailable',
  provider_rate_limited: 'unavailable',
  provider_timeout: 'unavailable',
  worker_lost: 'interrupted',
  store_lost: 'interrupted',
  abandoned: 'interrupted',
  expired: 'interrupted',
  deadline_exceeded: 'interrupted',
  provider_incomplete: 'interrupted',
  provider_protocol: 'interrupted',
  handler_failed: 'failed',
  action_failed: 'failed',
  action_expired: 'failed',
  provider_auth: 'failed',
  internal: 'failed',
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof KIND_OF_CODE;

/** Codes that only the client gives. */
export type ClientCode =
  | 'offline'
  | 'timeout'
  | 'lost'
  | 'malformed'
  | 'wrong_content_type'
  | 'cancelled'
  | 'detached';

/** One fault of a refused request body. */
export interface FieldFault {
  loc: (string | number)[];
  msg: string;
  type: string;
}

export interface ErrorFacts {
  kind: ErrorKind;
  code: Open<ErrorCode | ClientCode>;
  stage: Stage;
  status?: number | undefined;
  /** Seconds the server asks to wait. */
  retryAfter?: number | undefined;
  /** True when the same request, posted again, may succeed. */
  retryable?: boolean | undefined;
  requestId?: string | undefined;
  traceId?: string | undefined;
  faults?: FieldFault[] | undefined;
  cause?: unknown;
}

/** The only error this package throws. */
export class AssistantError extends Error {
  override readonly name = 'AssistantError';
  readonly kind: ErrorKind;
  readonly code: Open<ErrorCode | ClientCode>;
  readonly stage: Stage;
  readonly status: number | undefined;
  readonly retryAfter: number | undefined;
  readonly retryable: boolean;
  readonly requestId: string | undefined;
  readonly traceId: string | undefined;
  readonly faults: FieldFault[];

  constructor(message: string, facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.kind = facts.kind;
    this.code = facts.code;
    this.stage = facts.stage;
    this.status = facts.status;
    this.retryAfter = facts.retryAfter;
    this.retryable = facts.retryable ?? RETRYABLE.has(facts.kind);
    this.requestId = facts.requestId;
    this.traceId = facts.traceId;
    this.faults = facts.faults ?? [];
  }
}

const RETRYABLE: ReadonlySet<ErrorKind> = new Set(['limited', 'unavailable', 'interrupted', 'network']);

/** The kind of a code; an unknown code falls back to its HTTP status, else to `failed`. */
export function kindOf(code: string, status?: number): ErrorKind {
  if (Object.hasOwn(KIND_OF_CODE, code)) return KIND_OF_CODE[code as ErrorCode];
  if (status === undefined) return 'failed';
  if (status === 401 || status === 403) return 'auth';
  if (status === 404 || status === 410) return 'gone';
  if (status === 429) return 'limited';
  if (status === 408 || status === 502 || status === 503 || status === 504) return 'unavailable';
  return status >= 400 && status < 500 ? 'invalid' : 'failed';
}

/** The error that an `error` event stands for. */
export function errorOfEvent(data: ErrorData, requestId: string | undefined): AssistantError {
  return new AssistantError(data.message, {
    kind: kindOf(data.code),
    code: data.code,
    stage: 'stream',
    retryable: data.retryable,
    retryAfter: data.retry_after ?? undefined,
    traceId: data.trace_id ?? undefined,
    requestId,
  });
}

/** The error that a refused response stands for; its body need not be problem+json (proxies answer too). */
export function errorOfResponse(response: Response, body: unknown, stage: Stage): AssistantError {
  const problem = isRecord(body) ? body : {};
  const code = text(problem.code) ?? CODE_OF_STATUS[response.status] ?? `http_${response.status}`;
  const message = text(problem.detail) ?? text(problem.title) ?? `The server answered ${response.status}.`;
  return new AssistantError(message, {
    kind: kindOf(code, response.status),
    code,
    stage,
    status: response.status,
    retryAfter: retryAfterOf(response.headers.get('retry-after')) ?? number(problem.retry_after),
    requestId: text(problem.request_id),
    faults: Array.isArray(problem.errors) ? (problem.errors as FieldFault[]) : undefined,
  });
}

/** Codes for answers that carry none, such as a proxy's. */
const CODE_OF_STATUS: Partial<Record<number, ErrorCode>> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  410: 'gone',
  413: 'too_large',
  415: 'unsupported_media_type',
  429: 'rate_limited',
};

export function networkError(stage: Stage, cause: unknown): AssistantError {
  return new AssistantError('The server could not be reached.', {
    kind: 'network',
    code: 'offline',
    stage,
    cause,
  });
}

export function timeoutError(stage: Stage): AssistantError {
  return new AssistantError('The server did not answer in time.', {
    kind: 'network',
    code: 'timeout',
    stage,
  });
}

/** A stream that fell silent or ended without its last event: the next connection resumes it. */
export function lostError(message: string): AssistantError {
  return new AssistantError(message, { kind: 'network', code: 'lost', stage: 'stream' });
}

export function protocolError(
  message: string,
  code: 'malformed' | 'wrong_content_type' = 'malformed',
  stage: Stage = 'stream',
): AssistantError {
  return new AssistantError(message, { kind: 'protocol', code, stage });
}

export function cancelledError(stage: Stage, code: 'cancelled' | 'detached' = 'cancelled'): AssistantError {
  const message = code === 'cancelled' ? 'The request was cancelled.' : 'The stream was detached.';
  return new AssistantError(message, { kind: 'cancelled', code, stage, retryable: true });
}

/** What an abort is called: our own reasons are errors already, a caller's signal means "cancelled". */
export function reasonOf(signal: AbortSignal, stage: Stage): AssistantError {
  return signal.reason instanceof AssistantError ? signal.reason : cancelledError(stage);
}

/** Seconds of a Retry-After header, which is a number or an HTTP date. */
export function retryAfterOf(header: string | null, now: number = Date.now()): number | undefined {
  if (header === null || header.trim() === '') return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const moment = Date.parse(header);
  return Number.isNaN(moment) ? undefined : Math.max(0, (moment - now) / 1000);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
