import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AssistantEvent, type ClientOptions, createAssistantClient } from '../../src/core/index.ts';
import type { Clock } from '../../src/core/runtime.ts';
import { type Fault, FaultServer, type Run } from '../support/fault-server.ts';

/** Runs faster than the wall, so that 20 s of patience take one. */
const SPEED = 20;
/** ms of that clock: a loaded machine must not look like a silent server. */
const timeouts = { request: 200_000, connect: 20_000 };
const fastClock: Clock = {
  now: () => performance.now() * SPEED,
  after(ms, run) {
    const timer = setTimeout(run, ms / SPEED);
    return () => clearTimeout(timer);
  },
};

/** Words of one to four UTF-8 bytes a letter, so that a cut falls into characters too. */
const WORDS = ['Take ', 'the ', 'café ', 'chord ', '€7 ', '😀 ', 'and\n', 'résumé', ' "again"', '\\.'];
const TEXT = WORDS.join('');

function answer(run: Run): void {
  run.append('status', { state: 'running' });
  run.stage('drafting', 'Drafting');
  for (const word of WORDS) run.chunk(word);
  run.complete();
}
/** accepted, running, stage, the words, complete. */
const EVENTS = 3 + WORDS.length + 1;

let server: FaultServer;
beforeEach(async () => {
  server = await FaultServer.start({ answer });
});
afterEach(() => server.close());

function follow(faults: Fault[], options: ClientOptions = {}) {
  server.faults.push(...faults);
  const client = createAssistantClient({
    baseUrl: server.baseUrl,
    timeouts,
    runtime: { clock: fastClock },
    ...options,
  });
  const events: AssistantEvent[] = [];
  const stream = client.interactWithAssistant(
    { prompt: 'p', mode: 'chat' },
    { onEvent: (event) => events.push(event) },
  );
  return { client, stream, events };
}

async function whole(faults: Fault[]): Promise<void> {
  const { stream, events } = follow(faults);

  const { text } = await stream.done;

  expect(text).toBe(TEXT);
  const ids = events.flatMap(({ id }) => (id === null ? [] : [id]));
  expect(ids).toEqual(Array.from({ length: EVENTS }, (_, at) => `1-${at + 1}`));
  const streamed = events.map((event) => (event.event === 'response_chunk' ? event.data.text : '')).join('');
  expect(streamed).toBe(TEXT);
  expect(server.count('POST /request')).toBe(1);
  server.seen.length = 0;
}

const HOW = ['fin', 'rst'] as const;

describe('nothing is lost and nothing doubled', () => {
  it('without a fault', () => whole([]));

  it.each(HOW)('when it is cut by %s at every event boundary', async (how) => {
    for (let events = 0; events < EVENTS; events += 1) {
      await whole([{ kind: 'cut', after: { events }, how }]);
    }
  });

  it.each(HOW)('when it is cut by %s at random bytes, several times in one answer', async (how) => {
    let state = 7;
    const random = (below: number) => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    for (let round = 0; round < 40; round += 1) {
      // A cut beyond what is left of the answer does not happen; it must not wait for the next round.
      server.faults.length = 0;
      const cuts = Array.from({ length: 1 + random(4) }, () => ({ bytes: random(1_500) }));
      await whole(cuts.map((after): Fault => ({ kind: 'cut', after, how })));
    }
  });

  it.each(['draining', 'closing'] as const)(
    'when it is told to come back (%s) at every boundary',
    async (state) => {
      for (let after = 0; after < EVENTS; after += 1) {
        await whole([{ kind: 'notice', state, after }]);
      }
    },
  );

  it('when it falls silent', () => whole([{ kind: 'silent', from: 'events' }]));

  it('when the server is busy for a while', () =>
    whole([
      { kind: 'answer', status: 503, code: 'draining', headers: { 'Retry-After': '1' } },
      { kind: 'answer', status: 502, headers: { 'Content-Type': 'text/html' }, body: '<html>Bad gateway' },
      { kind: 'answer', status: 500, code: 'internal' },
    ]));

  it.each(['headers', 'body'] as const)('when a proxy keeps the %s back, by polling', async (from) => {
    const stall: Fault = { kind: 'silent', from };

    // Were it not polled, the third stream would be refused.
    await whole([stall, stall, { kind: 'answer', status: 404, code: 'not_found' }]);
  });
});

describe('what cannot be mended is told', () => {
  it.each([
    [404, 'not_found', 'gone'],
    [410, 'gone', 'gone'],
    [429, 'too_many_viewers', 'limited'],
    [403, 'forbidden', 'auth'],
    [400, 'invalid_request', 'invalid'],
  ])('%i %s as %s', async (status, code, kind) => {
    const { stream } = follow([{ kind: 'answer', status, code, headers: { 'Retry-After': '3' } }]);

    await expect(stream.done).rejects.toMatchObject({ kind, code, status, retryAfter: 3, stage: 'connect' });
    expect(server.count('GET /stream')).toBe(1);
  });

  it('a page where a stream should be', async () => {
    const headers = { 'Content-Type': 'text/html' };
    const { stream } = follow([{ kind: 'answer', status: 200, headers, body: '<html>Sign in' }]);

    await expect(stream.done).rejects.toMatchObject({ kind: 'protocol', code: 'wrong_content_type' });
  });

  it('a server that is gone, after 8 tries', async () => {
    const { client, stream } = follow([]);
    await stream.done;
    await server.close();

    const lost = client.streamAssistantResponse(await stream.requestId);

    await expect(lost.done).rejects.toMatchObject({ kind: 'network', code: 'offline' });
    server = await FaultServer.start({ answer });
  });
});

describe('the rest of the contract', () => {
  it('204: settles from the record', async () => {
    const run = server.add({ prompt: 'p', mode: 'chat' });
    const { client } = follow([]);
    const last = run.log.at(-1)?.id ?? '';

    const stream = client.streamAssistantResponse(run.id, { lastEventId: last });

    expect(await stream.done).toMatchObject({ text: TEXT });
  });

  it('reset: starts over when the log is another one', async () => {
    const run = server.add({ prompt: 'p', mode: 'chat' });
    const { client } = follow([]);
    const events: AssistantEvent[] = [];

    const stream = client.streamAssistantResponse(run.id, {
      lastEventId: '9-9',
      onEvent: (event) => events.push(event),
    });

    expect(await stream.done).toMatchObject({ text: TEXT });
    expect(events[0]).toMatchObject({ event: 'notice', data: { state: 'reset' } });
    expect(events.filter(({ id }) => id !== null)).toHaveLength(EVENTS);
  });

  it('a POST whose answer is lost starts one run', async () => {
    server.losePosts = 1;

    await expect(follow([]).stream.done).resolves.toMatchObject({ text: TEXT });

    expect(server.count('POST /request')).toBe(2);
    expect(server.runs.size).toBe(1);
  });

  it('cancel keeps what was said', async () => {
    await server.close();
    server = await FaultServer.start({ answer: (run) => run.chunk('Half an answer') });
    const { stream, events } = follow([]);
    while (!events.some(({ event }) => event === 'response_chunk')) await new Promise(setImmediate);

    await stream.cancel();

    expect(await stream.done).toMatchObject({ outcome: 'cancelled', text: 'Half an answer' });
  });
});
