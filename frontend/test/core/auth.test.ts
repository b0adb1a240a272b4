import { describe, expect, it, vi } from 'vitest';
import { settle } from '../support/clock.ts';
import { chunk, complete, ID, notice } from '../support/frames.ts';
import { accept201, json, LiveStream, offline, problem, streamOf } from '../support/scripted-fetch.ts';
import { createWorld } from '../support/world.ts';

const record = () => json(200, { request_id: ID });
const bearer = (calls: { headers: Headers }[]) => calls.map((call) => call.headers.get('authorization'));

describe('a token of the page', () => {
  it('is asked for once and sent with every call', async () => {
    const token = vi.fn(async () => 'a');
    const { net, client } = createWorld({ token });
    net.always('GET /request/', record);

    await Promise.all([client.status(ID), client.status(ID), client.status(ID)]);
    await client.status(ID);

    expect(token).toHaveBeenCalledOnce();
    expect(token).toHaveBeenCalledWith('first', expect.any(AbortSignal));
    expect(bearer(net.calls)).toEqual(Array(4).fill('Bearer a'));
  });

  it('is renewed once for many calls that were refused together', async () => {
    let tokens = 0;
    const token = vi.fn(async () => `t${++tokens}`);
    const { net, client } = createWorld({ token });
    net.always('GET /request/', ({ headers }) =>
      headers.get('authorization') === 'Bearer t1' ? problem(401, 'unauthorized') : record(),
    );

    await Promise.all(Array.from({ length: 20 }, () => client.status(ID)));

    expect(token.mock.calls.map(([why]: unknown[]) => why)).toEqual(['first', 'rejected']);
  });

  it('is not renewed again by a refusal that comes late', async () => {
    let tokens = 0;
    const token = vi.fn(async () => `t${++tokens}`);
    const { net, client } = createWorld({ token });
    let refuseLate: (response: Response) => void = () => {};
    net.once(
      'GET /request/',
      () =>
        new Promise<Response>((resolve) => {
          refuseLate = resolve;
        }),
    );
    net.once('GET /request/', () => problem(401, 'unauthorized'));
    net.always('GET /request/', record);

    const late = client.status(ID);
    await settle();
    await client.status(ID);
    refuseLate(problem(401, 'unauthorized'));
    await late;

    expect(token).toHaveBeenCalledTimes(2);
  });

  it('that is refused twice is the end', async () => {
    const { net, client } = createWorld({ token: async () => 'bad' });
    net.always('GET /request/', () => problem(401, 'unauthorized'));

    await expect(client.status(ID)).rejects.toMatchObject({
      kind: 'auth',
      code: 'unauthorized',
      status: 401,
    });
    expect(net.calls).toHaveLength(2);
  });

  it.each([
    ['a refused sign-in', new Error('no'), 'auth'],
    ['a lost network', new TypeError('fetch failed'), 'network'],
  ])('that cannot be had because of %s fails as %s', async (_name, cause, kind) => {
    const { client } = createWorld({ token: () => Promise.reject(cause) });

    await expect(client.status(ID)).rejects.toMatchObject({ kind, cause });
  });

  it('is waited for 10 s at most', async () => {
    const { clock, client } = createWorld({ token: () => new Promise<string>(() => {}) });
    const call = client.status(ID).catch((error) => error);

    await clock.advance(10_000);

    expect(await call).toMatchObject({ kind: 'network', code: 'timeout' });
  });

  it('asked for by a caller that leaves still reaches the others', async () => {
    let give: (token: string) => void = () => {};
    const token = () =>
      new Promise<string>((resolve) => {
        give = resolve;
      });
    const { net, client } = createWorld({ token });
    net.always('GET /request/', record);
    const leaving = new AbortController();

    const left = client.status(ID, { signal: leaving.signal }).catch((error) => error);
    const stays = client.status(ID);
    leaving.abort();
    expect(await left).toMatchObject({ kind: 'cancelled' });
    give('a');
    await stays;

    expect(bearer(net.calls)).toEqual(['Bearer a']);
  });

  it('that ends in mid-stream is renewed before the stream goes on', async () => {
    let tokens = 0;
    const token = vi.fn(async () => `t${++tokens}`);
    const { net, client } = createWorld({ token });
    net.once('GET /stream/', () => streamOf(chunk('1-2', 'a'), notice('closing', 'auth_expired')));
    net.once('GET /stream/', () => streamOf(chunk('1-3', 'b'), complete('1-4', 'ab')));

    const answer = await client.streamAssistantResponse(ID).done;

    expect(answer.text).toBe('ab');
    expect(token.mock.calls.map(([why]: unknown[]) => why)).toEqual(['first', 'expired']);
    expect(bearer(net.seen('GET /stream/'))).toEqual(['Bearer t1', 'Bearer t2']);
    expect(net.seen('GET /stream/')[1]?.headers.get('last-event-id')).toBe('1-2');
  });
});

describe('a guest', () => {
  const session = () =>
    json(201, { access_token: 'guest', token_type: 'Bearer', expires_in: 900, user_id: 'g' });

  it('gets a session at the first 401, and once for many', async () => {
    const { net, client } = createWorld();
    net.always('POST /session', session);
    net.always('GET /request/', ({ headers }) =>
      headers.has('authorization') ? record() : problem(401, 'unauthorized'),
    );

    await Promise.all([client.status(ID), client.status(ID)]);
    await client.status(ID);

    expect(net.seen('POST /session')).toHaveLength(1);
    expect(net.calls.at(-1)?.headers.get('authorization')).toBe('Bearer guest');
  });

  it('is told the 401 where guests are off', async () => {
    const { net, client } = createWorld();
    net.always('POST /session', () => problem(404, 'not_found'));
    net.always('GET /request/', () => problem(401, 'unauthorized'));

    await expect(client.status(ID)).rejects.toMatchObject({ kind: 'auth', status: 401 });
    expect(net.calls).toHaveLength(2);
  });

  it('is not asked for by a page with its own token', async () => {
    const { net, client } = createWorld({ token: async () => 'bad' });
    net.always('GET /request/', () => problem(401, 'unauthorized'));

    await expect(client.status(ID)).rejects.toMatchObject({ status: 401 });
    expect(net.seen('POST /session')).toHaveLength(0);
  });

  it.each([
    [
      'the limit',
      () => problem(429, 'rate_limited', { 'Retry-After': '9' }),
      { kind: 'limited', retryAfter: 9 },
    ],
    ['the network', offline, { kind: 'network' }],
  ])('fails by %s of the session call', async (_name, respond, error) => {
    const { net, client } = createWorld();
    net.always('POST /session', respond);
    net.always('GET /request/', () => problem(401, 'unauthorized'));

    await expect(client.status(ID)).rejects.toMatchObject(error);
  });
});

describe('every call', () => {
  it('carries the given headers, and the CSRF header when it is unsafe', async () => {
    const { net, client } = createWorld({
      headers: () => ({ 'X-Team': 'a' }),
      csrf: () => ({ 'X-CSRF': 'c' }),
    });
    net
      .always('GET /', record)
      .always('DELETE /', record)
      .always('POST /', () => accept201(ID));

    await client.status(ID);
    await client.cancel(ID);
    await client.requestAssistant({ prompt: 'p', mode: 'chat' });

    expect(net.calls.map(({ headers }) => headers.get('x-team'))).toEqual(['a', 'a', 'a']);
    expect(net.calls.map(({ headers }) => headers.get('x-csrf'))).toEqual([null, 'c', 'c']);
  });

  it('ends after 10 s without an answer', async () => {
    const { net, clock, client } = createWorld();
    net.always('GET /request/', () => new LiveStream({ 'Content-Type': 'application/json' }).response);
    const call = client.status(ID).catch((error) => error);

    await clock.advance(10_000);

    expect(await call).toMatchObject({ kind: 'network', code: 'timeout' });
    expect(clock.pending).toBe(0);
  });

  it('says what is wrong with an answer that is no JSON', async () => {
    const { net, client } = createWorld();
    net.always('GET /request/', () => new Response('<html>'));

    await expect(client.status(ID)).rejects.toMatchObject({ kind: 'protocol', stage: 'request' });
  });
});
