import type { TokenProvider } from './auth.ts';
import type { HttpOptions } from './http.ts';
import { DEFAULT_RETRY, type RetryPolicy } from './retry.ts';
import type { Runtime } from './runtime.ts';
import type { Hooks } from './trace.ts';

/** Where the server is and how to reach it. Everything has a default that suits a page of the same origin. */
export interface ClientOptions {
  /** URL prefix of the server's routes; default `/assistant`. */
  baseUrl?: string;
  /** Default `same-origin`; another origin's guest cookie needs `include`. */
  credentials?: RequestCredentials;
  /** Sent with every call. */
  headers?: Record<string, string> | (() => Record<string, string>);
  /** Without it a 401 opens a guest session once, where the server allows guests. */
  token?: TokenProvider;
  /** Sent with unsafe methods; default: `X-CSRF-TOKEN` from `<meta name="csrf-token">`, when there is one. */
  csrf?: () => Record<string, string>;
  /** ms; `request`: one whole call (10,000), `connect`: until a stream's first byte (10,000). */
  timeouts?: { request?: number; connect?: number };
  retry?: Partial<RetryPolicy>;
  hooks?: Hooks;
  fetch?: typeof fetch;
  /** Clock, random numbers and wake-ups, for tests. */
  runtime?: Partial<Omit<Runtime, 'fetch'>>;
}

/** ms, for one whole call and for a stream's first byte: longer than any healthy server needs. */
const TIMEOUT = 10_000;

export function httpOptions(options: ClientOptions): HttpOptions {
  const { headers = {} } = options;
  return {
    baseUrl: (options.baseUrl ?? '/assistant').replace(/\/+$/, ''),
    credentials: options.credentials ?? 'same-origin',
    headers: typeof headers === 'function' ? headers : () => headers,
    token: options.token,
    csrf: options.csrf ?? metaCsrf,
    timeout: options.timeouts?.request ?? TIMEOUT,
  };
}

export function connectTimeout(options: ClientOptions): number {
  return options.timeouts?.connect ?? TIMEOUT;
}

export function retryPolicy(options: ClientOptions): RetryPolicy {
  return { ...DEFAULT_RETRY, ...options.retry };
}

function metaCsrf(): Record<string, string> {
  const value = globalThis.document?.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content;
  return value ? { 'X-CSRF-TOKEN': value } : {};
}
