import { describe, expect, it } from 'vitest';
import type { AssistantEvent, StreamStatus } from '../../src/core/index.ts';
import { settle } from '../support/clock.ts';
import { accepted, chunk, complete, completeData, failure, frame, ID, notice } from '../support/frames.ts';
import {
  json,
  LiveStream,
  offline,
  problem,
  type Responder,
  silent,
  streamOf,
} from '../support/scripted-fetch.ts';
import { createWorld } from '../support/world.ts';

function follow(lastEventId?: string) {
  const world = createWorld();
  const events: AssistantEvent[] = [];
  const states: StreamStatus[] = [];
  const open = () => {
    const stream = world.client.streamAssistantResponse(ID, {
      onEvent: (event) => events.push(event),
      onState: (status) => states.push(status),
      ...(lastEventId ? { lastEventId } : {}),
    });
    const outcome = stream.done.then(
      (answer) => answer,
      (error) => error,
    );
    return { stream, outcome };
  };
  const cursors = () => world.net.seen('GET /stream/').map(({ headers }) => headers.get('last-event-id'));
  return { ...world, events, states, open, cursors, ids: () => events.map(({ id }) => id) };
}

const whole = () => streamOf(accepted, chunk('1-2', 'Hel'), chunk('1-3', 'lo'), complete('1-4', 'Hello'));

describe('a connection', () => {
  it('hands out every event in order and ends with the answer', async () => {
    const { net, open, ids, cursors, states } = follow();
    net.once('GET /stream/', whole);

    const answer = await open().outcome;

    expect(answer).toMatchObject({ outcome: 'completed', text: 'Hello' });
    expect(ids()).toEqual(['1-1', '1-2', '1-3', '1-4']);
    expect(cursors()).toEqual(['0']);
    expect(states.map(({ state }) => state)).toEqual(['connecting', 'open', 'ended']);
  });

  it('starts after a given cursor', async () => {
    const { net, open, cursors, ids } = follow('1-2');
    net.once('GET /stream/', whole);

    await open().outcome;

    expect(cursors()).toEqual(['1-2']);
    expect(ids()).toEqual(['1-3', '1-4']);
  });

  it('ends itself at the terminal event, though the server keeps it open', async () => {
    const { net, clock, open } = follow();
    const live = new LiveStream().write(accepted + complete('1-2', 'a') + chunk('1-3', 'late'));
    net.once('GET /stream/', () => live.response);

    expect(await open().outcome).toMatchObject({ text: 'a' });
    await settle();

    expect(live.cancelled).toBe(true);
    expect(clock.pending).toBe(0);
  });

  it('rejects with what an error event says', async () => {
    const { net, open, events } = follow();
    net.once('GET /stream/', () => streamOf(accepted, failure('1-2', 'provider_timeout')));

    expect(await open().outcome).toMatchObject({
      kind: 'unavailable',
      code: 'provider_timeout',
      requestId: ID,
    });
    expect(events.at(-1)?.event).toBe('error');
  });
});

const EARLY_END: Responder = () => streamOf(accepted, chunk('1-2', 'Hel'));
const BROKEN: Responder = () => {
  const live = new LiveStream().write(`${accepted}${chunk('1-2', 'Hel')}id: 1-3\ndata: {"hal`);
  setImmediate(() => live.break());
  return live.response;
};

describe('a connection that is cut', () => {
  it.each([
    ['ends early', EARLY_END],
    ['breaks in a frame', BROKEN],
  ])('and %s is resumed after the last event, with nothing lost or doubled', async (_name, cut) => {
    const { net, clock, open, ids, cursors, states } = follow();
    net.once('GET /stream/', cut);
    net.once('GET /stream/', () =>
      streamOf(chunk('1-2', 'Hel'), chunk('1-3', 'lo'), complete('1-4', 'Hello')),
    );
    const { outcome } = open();

    await clock.advance(124);
    expect(cursors()).toEqual(['0']);
    expect(states.at(-1)).toMatchObject({ state: 'waiting', tries: 1, retryAt: clock.now() + 1 });
    await clock.advance(1);

    expect(await outcome).toMatchObject({ text: 'Hello' });
    expect(cursors()).toEqual(['0', '1-2']);
    expect(ids()).toEqual(['1-1', '1-2', '1-3', '1-4']);
  });

  it.each([
    ['a lost network', offline],
    ['408', () => problem(408, 'request_timeout')],
    ['500', () => problem(500, 'internal')],
    ['502', () => new Response('<html>', { status: 502 })],
    ['503', () => problem(503, 'draining')],
  ])('or refused by %s is tried again', async (_name, refuse) => {
    const { net, clock, open } = follow();
    net.once('GET /stream/', refuse).once('GET /stream/', whole);
    const { outcome } = open();

    await clock.advance(250);

    expect(await outcome).toMatchObject({ text: 'Hello' });
  });

  it.each<[string, Responder, object]>([
    ['400', () => problem(400, 'invalid_request'), { kind: 'invalid', status: 400 }],
    ['403', () => problem(403, 'forbidden'), { kind: 'auth', status: 403 }],
    ['404', () => problem(404, 'not_found'), { kind: 'gone', status: 404 }],
    ['410', () => problem(410, 'gone'), { kind: 'gone', status: 410 }],
    ['413', () => problem(413, 'too_large'), { kind: 'invalid', status: 413 }],
    ['422', () => problem(422, 'invalid_request'), { kind: 'invalid', status: 422 }],
    [
      '429',
      () => problem(429, 'too_many_viewers', { 'Retry-After': '3' }),
      { kind: 'limited', retryAfter: 3 },
    ],
    [
      'HTML',
      () => new Response('<html>', { headers: { 'Content-Type': 'text/html' } }),
      { kind: 'protocol' },
    ],
    ['no type', () => new Response(new Uint8Array([58])), { kind: 'protocol', code: 'wrong_content_type' }],
    [
      'event-streams',
      () => new Response('', { headers: { 'Content-Type': 'text/event-streams' } }),
      { kind: 'protocol' },
    ],
    [
      'a malformed event',
      () => streamOf(frame('1-1', 'response_chunk', '{')),
      { kind: 'protocol', code: 'malformed' },
    ],
  ])('or refused by %s is not', async (_name, refuse, error) => {
    const { net, clock, open } = follow();
    net.always('GET /stream/', refuse);

    expect(await open().outcome).toMatchObject(error);
    expect(net.calls).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  it('waits at least what Retry-After asks', async () => {
    const { net, clock, open, cursors } = follow();
    net
      .once('GET /stream/', () => problem(503, 'server_full', { 'Retry-After': '5' }))
      .once('GET /stream/', whole);
    const { outcome } = open();

    await clock.advance(4_999);
    expect(cursors()).toHaveLength(1);
    await clock.advance(1);

    expect(await outcome).toMatchObject({ text: 'Hello' });
  });

  it('is given up after 8 failures in a row, each wait longer', async () => {
    const { net, clock, open, trace } = follow();
    net.always('GET /stream/', offline);
    const { outcome } = open();

    await clock.advance(120_000);

    expect(await outcome).toMatchObject({ kind: 'network', code: 'offline' });
    expect(net.calls).toHaveLength(8);
    const delays = trace.flatMap((entry) => (entry.type === 'retry' ? [entry.delay] : []));
    expect(delays).toEqual([125, 3_000, 6_000, 12_000, 22_500, 22_500, 22_500]);
    expect(clock.pending).toBe(0);
  });

  it('is given up after 2 minutes without a byte', async () => {
    const { net, clock, open } = follow();
    net.always('GET /stream/', () => problem(503, 'draining', { 'Retry-After': '50' }));
    const { outcome } = open();

    await clock.advance(100_000);

    expect(await outcome).toMatchObject({ kind: 'unavailable', code: 'draining', retryAfter: 50 });
    expect(net.calls).toHaveLength(3);
  });

  it('is not given up while bytes come in between', async () => {
    const { net, clock, open } = follow();
    const busy = () => problem(503, 'draining', { 'Retry-After': '50' });
    for (let round = 0; round < 2; round += 1)
      net.once('GET /stream/', busy).once('GET /stream/', () => streamOf());
    net.once('GET /stream/', busy).once('GET /stream/', whole);
    const { outcome } = open();

    await clock.advance(170_000);

    expect(await outcome).toMatchObject({ text: 'Hello' });
    expect(net.calls).toHaveLength(6);
  });

  it('counts anew after an event and 5 s of life, and not after a mere 200', async () => {
    const { net, clock, open, states } = follow();
    const cut = async (text: string, life: number) => {
      const live = new LiveStream().write(text);
      net.once('GET /stream/', () => live.response);
      await clock.advance(30_000);
      await clock.advance(life);
      live.end();
      await settle();
    };
    const { outcome, stream } = open();
    void outcome;

    const tries = () => states.at(-1)?.tries;
    net.once('GET /stream/', offline);
    await cut('retry: 100\n', 6_000);
    expect(tries()).toBe(2);
    await cut(accepted, 0);
    expect(tries()).toBe(1);
    await cut(chunk('1-2', 'a'), 5_000);
    expect(tries()).toBe(1);
    stream.detach();
  });
});

describe('a silent connection', () => {
  it('is dropped after 2.5 beats, and comments are not silence', async () => {
    const { net, clock, open, cursors } = follow();
    const live = new LiveStream().write(accepted);
    net.once('GET /stream/', () => live.response).once('GET /stream/', whole);
    const { outcome } = open();

    await clock.advance(37_000);
    live.write(':\n');
    await clock.advance(37_499);
    expect(cursors()).toEqual(['0']);
    expect(live.cancelled).toBe(false);
    await clock.advance(1 + 125);

    expect(live.cancelled).toBe(true);
    expect(await outcome).toMatchObject({ text: 'Hello' });
    expect(cursors()).toEqual(['0', '1-1']);
  });

  it('is seen for dead at once when a sleeping page wakes', async () => {
    const { net, clock, open, cursors, wake } = follow();
    const live = new LiveStream().write(accepted);
    net.once('GET /stream/', () => live.response).once('GET /stream/', whole);
    const { outcome } = open();
    await settle();

    clock.jump(3_600_000);
    wake();
    await clock.advance(125);

    expect(await outcome).toMatchObject({ text: 'Hello' });
    expect(cursors()).toEqual(['0', '1-1']);
  });
});

describe('waking', () => {
  it.each(['wake', 'retryNow'] as const)('by %s ends the wait at once', async (how) => {
    const { net, clock, open, wake } = follow();
    net.once('GET /stream/', offline).once('GET /stream/', offline).once('GET /stream/', whole);
    const { outcome, stream } = open();
    await clock.advance(125);

    if (how === 'wake') wake();
    else stream.retryNow();

    expect(await outcome).toMatchObject({ text: 'Hello' });
  });

  it('forgives the time that was slept', async () => {
    const { net, clock, open, wake } = follow();
    net.once('GET /stream/', offline).once('GET /stream/', offline).once('GET /stream/', whole);
    const { outcome } = open();
    await settle();

    clock.jump(3_600_000);
    wake();
    await clock.advance(3_000);

    expect(await outcome).toMatchObject({ text: 'Hello' });
  });

  it('is no longer listened to when the stream is over', async () => {
    const { net, open, wakers } = follow();
    net.once('GET /stream/', whole);

    await open().outcome;
    await settle();

    expect(wakers.size).toBe(0);
  });
});

describe('notices', () => {
  it('draining: comes back after the retry it was given, as no failure', async () => {
    const { net, clock, open, states, cursors } = follow();
    net.once('GET /stream/', () => streamOf(accepted, 'retry: 700\n', notice('draining')));
    net.once('GET /stream/', whole);
    const { outcome } = open();

    await clock.advance(699);
    expect(cursors()).toEqual(['0']);
    await clock.advance(1);

    expect(await outcome).toMatchObject({ text: 'Hello' });
    expect(cursors()).toEqual(['0', '1-1']);
    expect(states.map(({ state }) => state)).not.toContain('waiting');
  });

  it('closing: comes back at once', async () => {
    const { net, open, cursors } = follow();
    net.once('GET /stream/', () => streamOf(accepted, notice('closing', 'auth_expired')));
    net.once('POST /session', () => problem(404, 'not_found')).once('GET /stream/', whole);

    expect(await open().outcome).toMatchObject({ text: 'Hello' });
    expect(cursors()).toEqual(['0', '1-1']);
  });

  it('reset: forgets the cursor and takes everything from the start', async () => {
    const { net, open, ids } = follow('7-7');
    net.once('GET /stream/', () =>
      streamOf(notice('reset'), accepted, chunk('1-2', 'a'), complete('1-3', 'a')),
    );

    expect(await open().outcome).toMatchObject({ text: 'a' });
    expect(ids()).toEqual([null, '1-1', '1-2', '1-3']);
  });

  it('a server that only closes is not asked for ever', async () => {
    const { net, clock, open } = follow();
    net.always('GET /stream/', () => streamOf(notice('draining')));
    const { outcome } = open();

    await clock.advance(60_000);

    expect(await outcome).toMatchObject({ kind: 'network' });
    expect(net.calls.length).toBeLessThanOrEqual(9);
  });
});

describe('204', () => {
  const cases = [
    ['an answer', 'completed', completeData('Hello'), { text: 'Hello' }],
    ['an error', 'failed', { ts: 1, code: 'internal', message: 'm', retryable: false }, { kind: 'failed' }],
  ] as const;

  it.each(cases)('settles from the record: %s', async (_name, status, result, outcome) => {
    const { net, open, ids } = follow('1-4');
    net.once('GET /stream/', () => new Response(null, { status: 204 }));
    net.once(`GET /request/${ID}`, () => json(200, { request_id: ID, status, last_event_id: '1-5', result }));

    expect(await open().outcome).toMatchObject(outcome);
    expect(ids()).toEqual(['1-5']);
    expect(net.calls).toHaveLength(2);
  });

  it('settles also when the cursor is the terminal event itself', async () => {
    const { net, open } = follow('1-5');
    const record = {
      request_id: ID,
      status: 'completed',
      last_event_id: '1-5',
      result: completeData('Hello'),
    };
    net.once('GET /stream/', () => new Response(null, { status: 204 }));
    net.once(`GET /request/${ID}`, () => json(200, record));

    expect(await open().outcome).toMatchObject({ text: 'Hello' });
  });

  it('of a request that goes on is a protocol error', async () => {
    const { net, open } = follow();
    net.once('GET /stream/', () => new Response(null, { status: 204 }));
    net.once(`GET /request/${ID}`, () => json(200, { request_id: ID, status: 'running', result: null }));

    expect(await open().outcome).toMatchObject({ kind: 'protocol' });
  });
});

describe('polling', () => {
  const page =
    (events: unknown[], closed: boolean, notices: unknown[] = []) =>
    () =>
      json(200, { events, notices, next: '1-1', closed });
  const event = (id: string, name: string, data: object) => ({ id, event: name, data: { ts: 1, ...data } });
  const text = (id: string, value: string) =>
    event(id, 'response_chunk', { text: value, part: 'text', index: 0 });

  const buffering: Responder = () => new LiveStream().response;

  it.each([
    ['headers', silent],
    ['a first byte', buffering],
  ])('begins when %s did not come within 10 s, twice', async (_name, stall) => {
    const { net, clock, open, ids, states } = follow();
    net.always('GET /stream/', stall);
    net.once('GET /request/', page([event('1-1', 'status', { state: 'accepted' })], false));
    net.once(
      'GET /request/',
      page([text('1-2', 'Hello'), event('1-3', 'complete', completeData('Hello'))], true),
    );
    const { outcome } = open();

    await clock.advance(10_125 + 10_000 + 3_000);
    expect(states.at(-1)?.state).toBe('polling');
    expect(net.seen('GET /request/').map(({ path }) => path)).toEqual([`/request/${ID}?after=0&wait=0`]);
    await clock.advance(1_500);

    expect(await outcome).toMatchObject({ text: 'Hello' });
    expect(ids()).toEqual(['1-1', '1-2', '1-3']);
    expect(net.seen('GET /request/')[1]?.path).toBe(`/request/${ID}?after=1-1&wait=0`);
    expect(clock.pending).toBe(0);
  });

  it('does not begin when the first byte came the second time', async () => {
    const { net, clock, open } = follow();
    net.once('GET /stream/', silent).once('GET /stream/', whole);
    const { outcome } = open();

    await clock.advance(10_125);

    expect(await outcome).toMatchObject({ text: 'Hello' });
  });

  it('survives failures, hears notices, and settles from the record when the log is gone', async () => {
    const { net, clock, open, ids } = follow();
    net.always('GET /stream/', silent);
    net.once('GET /request/', offline);
    net.once('GET /request/', page([text('1-1', 'a')], false));
    net.once('GET /request/', page([text('1-1', 'b')], false, [{ ts: 1, state: 'reset' }]));
    net.once('GET /request/', page([], true));
    net.once('GET /request/', () => json(200, { last_event_id: '1-2', result: completeData('b') }));
    const { outcome } = open();

    await clock.advance(60_000);

    expect(await outcome).toMatchObject({ text: 'b' });
    expect(ids()).toEqual(['1-1', null, '1-1', '1-2']);
  });

  it('is refused like a stream', async () => {
    const { net, clock, open } = follow();
    net.always('GET /stream/', silent).always('GET /request/', () => problem(410, 'gone'));
    const { outcome } = open();

    await clock.advance(60_000);

    expect(await outcome).toMatchObject({ kind: 'gone' });
  });
});
