import { describe, expect, it } from 'vitest';
import {
  AssistantError,
  type ErrorKind,
  errorOfEvent,
  errorOfResponse,
  kindOf,
  retryAfterOf,
} from '../../src/core/errors.ts';
import { json, problem } from '../support/scripted-fetch.ts';

/** The table of the protocol, as it is written there. */
const TABLE: Record<string, string> = {
  invalid:
    'invalid_request, method_not_allowed, request_timeout, too_large, unsupported_media_type, idempotency_mismatch, content_refused, budget_exceeded',
  auth: 'unauthorized, forbidden',
  gone: 'not_found, gone',
  limited: 'rate_limited, too_many_active, too_many_viewers',
  unavailable:
    'server_full, draining, store_unavailable, misconfigured, provider_unavailable, provider_rate_limited, provider_timeout',
  interrupted:
    'worker_lost, store_lost, abandoned, expired, deadline_exceeded, provider_incomplete, provider_protocol',
  failed: 'handler_failed, action_failed, action_expired, provider_auth, internal',
};
const ROWS = Object.entries(TABLE).flatMap(([kind, codes]) => codes.split(', ').map((code) => [code, kind]));

describe('kinds', () => {
  it.each(ROWS)('%s is %s, whatever the status', (code, kind) => {
    expect(kindOf(code)).toBe(kind);
    expect(kindOf(code, 418)).toBe(kind);
  });

  it.each<[number | undefined, ErrorKind]>([
    [undefined, 'failed'],
    [400, 'invalid'],
    [401, 'auth'],
    [403, 'auth'],
    [404, 'gone'],
    [408, 'unavailable'],
    [409, 'invalid'],
    [410, 'gone'],
    [418, 'invalid'],
    [429, 'limited'],
    [500, 'failed'],
    [502, 'unavailable'],
    [503, 'unavailable'],
    [504, 'unavailable'],
  ])('an unknown code with status %s is %s', (status, kind) => {
    expect(kindOf('brand_new', status)).toBe(kind);
    expect(kindOf('toString', status)).toBe(kind);
  });
});

describe('errorOfResponse', () => {
  it('reads problem+json', () => {
    const body = {
      code: 'invalid_request',
      detail: 'The prompt is empty.',
      request_id: 'r',
      errors: [{ loc: ['prompt'], msg: 'too short', type: 'string_too_short' }],
    };

    const error = errorOfResponse(json(400, body), body, 'request');

    expect(error).toBeInstanceOf(AssistantError);
    expect(error).toMatchObject({ kind: 'invalid', code: 'invalid_request', stage: 'request', status: 400 });
    expect(error).toMatchObject({ message: 'The prompt is empty.', requestId: 'r', faults: body.errors });
  });

  it.each([
    [502, '<html>Bad gateway</html>', 'unavailable', 'http_502'],
    [404, null, 'gone', 'not_found'],
    [429, { code: 7 }, 'limited', 'rate_limited'],
  ])("makes sense of a proxy's %i", (status, body, kind, code) => {
    expect(errorOfResponse(json(status, body), body, 'connect')).toMatchObject({ kind, code, status });
  });

  it('takes Retry-After from the header before the body', () => {
    const response = problem(429, 'rate_limited', { 'Retry-After': '7' });

    expect(errorOfResponse(response, { retry_after: 3 }, 'request').retryAfter).toBe(7);
    expect(errorOfResponse(problem(429, 'x'), { retry_after: 3 }, 'request').retryAfter).toBe(3);
  });

  it.each([
    ['limited', 429, true],
    ['unavailable', 503, true],
    ['invalid', 400, false],
    ['auth', 401, false],
    ['gone', 404, false],
  ])('%s is retryable: %#', (_kind, status, retryable) => {
    expect(errorOfResponse(json(status, {}), {}, 'request').retryable).toBe(retryable);
  });
});

describe('errorOfEvent', () => {
  it('believes the server about retrying', () => {
    const data = {
      ts: 1,
      code: 'handler_failed',
      message: 'm',
      retryable: true,
      retry_after: 4,
      trace_id: 't',
    };

    const error = errorOfEvent(data, 'r');

    expect(error).toMatchObject({
      kind: 'failed',
      retryable: true,
      retryAfter: 4,
      traceId: 't',
      requestId: 'r',
    });
  });
});

describe('retryAfterOf', () => {
  it.each([
    [null, undefined],
    ['', undefined],
    ['soon', undefined],
    ['0', 0],
    ['-5', 0],
    ['2.5', 2.5],
    ['Thu, 01 Jan 1970 00:00:30 GMT', 30],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ])('%j is %s seconds', (header, seconds) => {
    expect(retryAfterOf(header, 0)).toBe(seconds);
  });
});
