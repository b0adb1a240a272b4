import { describe, expect, it } from 'vitest';
import { interactWithAssistant, requestAssistant, streamAssistantResponse } from '../../src/core/index.ts';
import { settle } from '../support/clock.ts';
import { complete, ID } from '../support/frames.ts';
import {
  accept201,
  json,
  offline,
  problem,
  ScriptedFetch,
  silent,
  streamOf,
} from '../support/scripted-fetch.ts';
import { createWorld } from '../support/world.ts';

const REQUEST = { prompt: 'Say hello', mode: 'chat' };
const keys = (net: ScriptedFetch) =>
  net.seen('POST /request').map(({ headers }) => headers.get('idempotency-key'));

describe('requestAssistant', () => {
  it('gives a handle that streams and cancels', async () => {
    const { net, client } = createWorld();
    net.once('POST /request', () => accept201(ID));
    net.once('GET /stream/', () => streamOf(complete('1-1', 'a'))).once('DELETE ', () => json(202, {}));

    const handle = await client.requestAssistant(REQUEST);

    expect(handle).toMatchObject({ requestId: ID, createdAt: 1, expiresAt: 2, replayed: false });
    expect(await handle.stream().done).toMatchObject({ text: 'a' });
    expect(await handle.cancel()).toBeNull();
  });

  it('always carries a key of its own, or the one it was given', async () => {
    const { net, client } = createWorld();
    net.always('POST /request', () => accept201(ID));

    await client.requestAssistant(REQUEST);
    await client.requestAssistant(REQUEST);
    await client.requestAssistant(REQUEST, { idempotencyKey: 'mine' });

    const [first, second, third] = keys(net);
    expect(first).toMatch(/^[0-9a-f-]{36}$/);
    expect(second).not.toBe(first);
    expect(third).toBe('mine');
  });

  it('is repeated once, with the same key and body, when no answer came', async () => {
    const { net, client } = createWorld();
    net.once('POST /request', offline).once('POST /request', () => accept201(ID));

    await client.requestAssistant(REQUEST);

    const [first, second] = keys(net);
    expect(second).toBe(first);
    expect(net.calls[0]?.body).toBe(net.calls[1]?.body);
  });

  it('is repeated after 10 s of silence, and then given up', async () => {
    const { net, clock, client } = createWorld();
    net.always('POST /request', silent);
    const call = client.requestAssistant(REQUEST).catch((error) => error);

    await clock.advance(20_000);

    expect(await call).toMatchObject({ kind: 'network', code: 'timeout', stage: 'request', retryable: true });
    expect(net.calls).toHaveLength(2);
    expect(clock.pending).toBe(0);
  });

  it.each([
    [400, 'invalid_request'],
    [408, 'request_timeout'],
    [422, 'idempotency_mismatch'],
    [429, 'rate_limited'],
    [503, 'server_full'],
  ])('is not repeated when the answer is %i', async (status, code) => {
    const { net, client } = createWorld();
    net.always('POST /request', () => problem(status, code));

    await expect(client.requestAssistant(REQUEST)).rejects.toMatchObject({ status, code });
    expect(net.calls).toHaveLength(1);
  });

  it('says when the server knew the key', async () => {
    const { net, client } = createWorld();
    const body = { request_id: ID, created_at: 1, expires_at: 2 };
    net.once('POST /request', () => json(201, body, { 'Idempotent-Replayed': 'true' }));

    expect((await client.requestAssistant(REQUEST)).replayed).toBe(true);
  });

  it('aborted before it left reaches no server', async () => {
    const { net, client } = createWorld();

    const call = client.requestAssistant(REQUEST, { signal: AbortSignal.abort() });

    await expect(call).rejects.toMatchObject({ kind: 'cancelled' });
    expect(net.calls).toHaveLength(0);
  });

  it('aborted under way is finished and then deleted', async () => {
    const { net, client } = createWorld();
    const abort = new AbortController();
    let answer: (response: Response) => void = () => {};
    net.once(
      'POST /request',
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    net.once('DELETE ', () => json(202, {}));
    const call = client.requestAssistant(REQUEST, { signal: abort.signal }).catch((error) => error);
    await settle();

    abort.abort();
    answer(accept201(ID));

    expect(await call).toMatchObject({ kind: 'cancelled' });
    expect(net.seen('DELETE')).toHaveLength(1);
  });
});

describe('cancel', () => {
  it.each([404, 410])('of what is gone (%i) is no error', async (status) => {
    const { net, client } = createWorld();
    net.once('DELETE ', () => problem(status, 'gone'));

    expect(await client.cancel(ID)).toBeNull();
  });

  it('is repeated until it is answered', async () => {
    const { net, clock, client } = createWorld();
    net
      .once('DELETE ', offline)
      .once('DELETE ', () => problem(503, 'draining'))
      .once('DELETE ', () => json(202, {}));
    const call = client.cancel(ID);

    await clock.advance(2_000);

    expect(await call).toBeNull();
    expect(net.calls).toHaveLength(3);
  });
});

describe('status, list and submitAction', () => {
  it('name what they ask for', async () => {
    const { net, client } = createWorld();
    net.once('GET /requests', () => json(200, { requests: [{ request_id: ID }] }));
    net.once('GET /request/', () => json(200, { request_id: ID }));
    net.once('POST /request/', () => json(202, {}));

    expect(await client.list({ track_id: 'a b&c', state: 'active' })).toEqual([{ request_id: ID }]);
    expect(await client.status(ID)).toEqual({ request_id: ID });
    await client.submitAction(ID, 'a/1', { status: 'ok', value: 120 });

    expect(net.calls.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['GET', '/requests?track_id=a+b%26c&state=active', null],
      ['GET', `/request/${ID}`, null],
      ['POST', `/request/${ID}/actions/a%2F1`, '{"status":"ok","value":120}'],
    ]);
  });

  it.each([409, 410, 422])('an action refused by %i is not repeated', async (status) => {
    const { net, client } = createWorld();
    net.always('POST ', () => json(status, {}));

    await expect(client.submitAction(ID, 'a', { status: 'ok' })).rejects.toMatchObject({
      status,
      stage: 'action',
    });
    expect(net.calls).toHaveLength(1);
  });
});

describe('the three functions', () => {
  it('share one client for the same options, so that a guest stays the same', async () => {
    const net = new ScriptedFetch();
    const options = { baseUrl: 'https://music.test/assistant/', fetch: net.fetch };
    const base = 'https://music.test/assistant';
    net.always(`POST ${base}/session`, () => json(201, { access_token: 'g' }));
    net.once(`POST ${base}/request`, () => problem(401, 'unauthorized'));
    net.always(`POST ${base}/request`, () => accept201(ID));
    net.always(`GET ${base}/stream/`, () => streamOf(complete('1-1', 'a')));

    const handle = await requestAssistant(REQUEST, options);
    await streamAssistantResponse(handle.requestId, options).done;
    await interactWithAssistant(REQUEST, { ...options, onEvent: () => {} }).done;

    expect(net.seen(`POST ${base}/session`)).toHaveLength(1);
    expect(net.seen('GET').every(({ headers }) => headers.get('authorization') === 'Bearer g')).toBe(true);
  });
});

describe('tracing', () => {
  it('tells calls, frames, retries and states, and never a token or a prompt', async () => {
    const { net, clock, client, trace } = createWorld({ token: () => 'secret-token' });
    const entries: string[] = [];
    net.once('POST /request', () => accept201(ID)).once('GET /stream/', offline);
    net.once('GET /stream/', () => streamOf(complete('1-1', 'a')));
    const { done } = client.interactWithAssistant({ prompt: 'secret-prompt', mode: 'chat' });

    await clock.advance(250);
    await done;
    entries.push(...trace.map(({ type }) => type));

    expect(new Set(entries)).toEqual(
      new Set(['request', 'response', 'failure', 'accepted', 'frame', 'retry', 'state']),
    );
    expect(JSON.stringify(trace)).not.toContain('secret');
  });
});
