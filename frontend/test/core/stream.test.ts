import { describe, expect, it, vi } from 'vitest';
import type { AssistantEvent } from '../../src/core/index.ts';
import { settle } from '../support/clock.ts';
import { accepted, chunk, complete, completeData, failure, frame, ID, notice } from '../support/frames.ts';
import {
  accept201,
  json,
  LiveStream,
  offline,
  problem,
  silent,
  streamOf,
} from '../support/scripted-fetch.ts';
import { createWorld } from '../support/world.ts';

const REQUEST = { prompt: 'Say hello', mode: 'chat' };
const whole = () => streamOf(accepted, chunk('1-2', 'Hel'), chunk('1-3', 'lo'), complete('1-4', 'Hello'));
const fate = <T>(promise: Promise<T>) =>
  promise.then(
    (value) => value,
    (error) => error,
  );

function deferred<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

describe('iterating', () => {
  it('gives every event and moves lastEventId as they are handed out', async () => {
    const { net, client } = createWorld();
    net.once('GET /stream/', whole);
    const stream = client.streamAssistantResponse(ID);
    await settle();
    expect(stream.lastEventId).toBe('0');

    const seen: [string | null, string][] = [];
    for await (const event of stream) seen.push([event.id, stream.lastEventId]);

    expect(seen).toEqual(['1-1', '1-2', '1-3', '1-4'].map((id) => [id, id]));
  });

  it('goes back to the start with the reset it hands out', async () => {
    const { net, client } = createWorld();
    net.once('GET /stream/', () => streamOf(notice('reset'), accepted, complete('1-2', '')));
    const stream = client.streamAssistantResponse(ID, { lastEventId: '5-5' });

    const seen: string[] = [];
    for await (const _ of stream) seen.push(stream.lastEventId);

    expect(seen).toEqual(['0', '1-1', '1-2']);
  });

  it('ends after an error event, and throws when the connection is given up', async () => {
    const { net, client } = createWorld();
    net.once('GET /stream/', () => streamOf(failure('1-1', 'internal')));
    net.once('GET /stream/', () => problem(404, 'not_found'));

    const seen: string[] = [];
    for await (const event of client.streamAssistantResponse(ID)) seen.push(event.event);
    expect(seen).toEqual(['error']);

    const lost = async () => {
      for await (const _ of client.streamAssistantResponse(ID));
    };
    await expect(lost()).rejects.toMatchObject({ kind: 'gone' });
  });

  it('answers several questions at once, in order', async () => {
    const { net, client } = createWorld();
    net.once('GET /stream/', whole);
    const iterator = client.streamAssistantResponse(ID)[Symbol.asyncIterator]();

    const results = await Promise.all(Array.from({ length: 5 }, () => iterator.next()));

    expect(results.map(({ value }) => value?.id)).toEqual(['1-1', '1-2', '1-3', '1-4', undefined]);
  });

  it('left early detaches, and nothing is cancelled', async () => {
    const { net, clock, client } = createWorld();
    const live = new LiveStream().write(accepted + chunk('1-2', 'a'));
    net.once('GET /stream/', () => live.response);
    const stream = client.streamAssistantResponse(ID);

    for await (const _ of stream) break;
    await settle();

    expect(stream.state).toBe('detached');
    expect(live.cancelled).toBe(true);
    expect(net.seen('DELETE')).toHaveLength(0);
    expect(clock.pending).toBe(0);
  });

  it('is for one reader, and not for a stream with onEvent', async () => {
    const { net, client } = createWorld();
    net.always('GET /stream/', whole);
    const stream = client.streamAssistantResponse(ID);
    stream[Symbol.asyncIterator]();

    expect(() => stream[Symbol.asyncIterator]()).toThrow(TypeError);
    expect(() => client.streamAssistantResponse(ID, { onEvent: () => {} })[Symbol.asyncIterator]()).toThrow(
      TypeError,
    );
    await stream.done;
  });
});

describe('callbacks of the page', () => {
  it('that throw do not disturb the stream', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    const { net, client } = createWorld();
    net.once('GET /stream/', whole);
    const boom = () => {
      throw new Error('page');
    };

    const answer = await client.streamAssistantResponse(ID, { onEvent: boom, onState: boom }).done;

    expect(answer.text).toBe('Hello');
    expect(log).toHaveBeenCalled();
    log.mockRestore();
  });
});

describe('interactWithAssistant', () => {
  it('posts, then streams', async () => {
    const { net, client } = createWorld();
    net.once('POST /request', () => accept201(ID)).once('GET /stream/', whole);

    const stream = client.interactWithAssistant(REQUEST);

    expect(stream.state).toBe('sending');
    expect(await stream.requestId).toBe(ID);
    expect(await stream.done).toMatchObject({ text: 'Hello' });
    expect(net.calls.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /request',
      `GET /stream/${ID}`,
    ]);
    expect(JSON.parse(net.calls[0]?.body ?? '')).toEqual(REQUEST);
  });

  it('fails as the POST fails', async () => {
    const { net, client } = createWorld();
    net.once('POST /request', () => problem(429, 'too_many_active', { 'Retry-After': '4' }));

    const stream = client.interactWithAssistant(REQUEST);

    await expect(stream.done).rejects.toMatchObject({ kind: 'limited', stage: 'request', retryAfter: 4 });
    await expect(stream.requestId).rejects.toMatchObject({ kind: 'limited' });
    expect(stream.state).toBe('failed');
  });

  it('left alone rejects nothing unhandled', async () => {
    const { net, client } = createWorld();
    net.once('POST /request', () => problem(400, 'invalid_request'));
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);

    client.interactWithAssistant(REQUEST);
    await settle();

    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });
});

describe('cancel', () => {
  it('reaches the server though the window is closed at the same moment', async () => {
    const { net, client } = createWorld();
    net.once('POST /request', () => accept201(ID)).once('GET /stream/', () => new LiveStream().response);
    net.once('DELETE /request/', () => json(202, {}));
    const stream = client.interactWithAssistant(REQUEST);
    await settle();

    void stream.cancel();
    stream.detach();
    await settle();

    expect(net.seen('DELETE /request/')).toHaveLength(1);
    expect(await fate(stream.done)).toMatchObject({ kind: 'cancelled', code: 'detached' });
  });

  const cancelled = () => json(202, { request_id: ID, status: 'cancelling' });

  it('before the POST has left reaches no server', async () => {
    const { net, client } = createWorld({ token: () => new Promise<string>(() => {}) });
    const stream = client.interactWithAssistant(REQUEST);
    await settle();

    await stream.cancel();

    expect(await fate(stream.done)).toMatchObject({ kind: 'cancelled', code: 'cancelled', stage: 'request' });
    expect(net.calls).toHaveLength(0);
  });

  it('by a signal that was aborted already reaches no server', async () => {
    const { net, client } = createWorld();

    const stream = client.interactWithAssistant(REQUEST, { signal: AbortSignal.abort() });

    expect(await fate(stream.done)).toMatchObject({ kind: 'cancelled' });
    await settle();
    expect(net.calls).toHaveLength(0);
  });

  it('while the POST is under way lets it finish, then deletes', async () => {
    const { net, client } = createWorld();
    const post = deferred<Response>();
    net.once('POST /request', () => post.promise);
    net.once('DELETE ', cancelled);
    net.once('GET /stream/', () => streamOf(accepted, complete('1-2', '', 'cancelled')));
    const stream = client.interactWithAssistant(REQUEST);
    await settle();

    const stopping = stream.cancel();
    await settle();
    expect(net.calls[0]?.signal.aborted).toBe(false);
    post.resolve(accept201(ID));

    expect(await stream.done).toMatchObject({ outcome: 'cancelled' });
    await stopping;
    expect(net.seen('DELETE')).toHaveLength(1);
  });

  it('while the POST is lost still deletes what its repeat started', async () => {
    const { net, client } = createWorld();
    const first = deferred<Response>();
    net.once('POST /request', () => first.promise).once('POST /request', () => accept201(ID));
    net.once('DELETE ', cancelled);
    net.once('GET /stream/', () => streamOf(accepted, complete('1-2', '', 'cancelled')));
    const stream = client.interactWithAssistant(REQUEST);
    await settle();

    void stream.cancel();
    first.reject(new TypeError('fetch failed'));

    expect(await fate(stream.done)).toMatchObject({ outcome: 'cancelled' });
    expect(net.seen('POST')).toHaveLength(2);
    expect(net.seen('DELETE')).toHaveLength(1);
  });

  it.each([
    ['never got through is cancelled', offline, { kind: 'cancelled' }],
    ['was refused is told', () => problem(503, 'server_full'), { kind: 'unavailable' }],
  ])('of a POST that %s', async (_name, respond, outcome) => {
    const { net, client } = createWorld();
    const first = deferred<Response>();
    net.once('POST /request', () => first.promise).once('POST /request', respond);
    const stream = client.interactWithAssistant(REQUEST);
    await settle();

    const stopping = stream.cancel();
    first.reject(new TypeError('fetch failed'));

    expect(await fate(stream.done)).toMatchObject(outcome);
    await stopping;
    expect(net.seen('DELETE')).toHaveLength(0);
  });

  it('while it streams reads on for the last word', async () => {
    const { net, clock, client } = createWorld();
    const live = new LiveStream().write(accepted + chunk('1-2', 'Hel'));
    net.once('GET /stream/', () => live.response).once('DELETE ', cancelled);
    const stream = client.streamAssistantResponse(ID);
    await settle();

    const stopping = stream.cancel();
    expect(stream.state).toBe('cancelling');
    await stopping;
    live.write(chunk('1-3', 'lo') + complete('1-4', 'Hello', 'cancelled'));

    expect(await stream.done).toMatchObject({ outcome: 'cancelled', text: 'Hello' });
    await settle();
    expect(clock.pending).toBe(0);
  });

  it('that hears no last word settles after 2 s with what is here', async () => {
    const { net, clock, client } = createWorld();
    const events: AssistantEvent[] = [];
    net.once('GET /stream/', () => new LiveStream().write(accepted + chunk('1-2', 'Hel')).response);
    net.once('DELETE ', cancelled);
    const stream = client.streamAssistantResponse(ID, { onEvent: (event) => events.push(event) });
    await settle();

    await stream.cancel();
    await clock.advance(1_999);
    expect(stream.state).toBe('cancelling');
    await clock.advance(1);

    expect(await stream.done).toMatchObject({ outcome: 'cancelled', text: 'Hel' });
    expect(events.at(-1)).toMatchObject({ event: 'complete', data: { outcome: 'cancelled' } });
    expect(clock.pending).toBe(0);
  });

  it('of what had ended takes the result from the answer', async () => {
    const { net, client } = createWorld();
    const record = {
      request_id: ID,
      status: 'completed',
      last_event_id: '1-4',
      result: completeData('Hello'),
    };
    net.once('GET /stream/', silent).once('DELETE ', () => json(200, record));
    const stream = client.streamAssistantResponse(ID);
    await settle();

    await stream.cancel();

    expect(await stream.done).toMatchObject({ outcome: 'completed', text: 'Hello' });
  });

  it('between two tries connects at once for the last word', async () => {
    const { net, clock, client } = createWorld();
    net.once('GET /stream/', offline).once('GET /stream/', offline).once('DELETE ', cancelled);
    net.once('GET /stream/', () => streamOf(complete('1-2', 'a', 'cancelled')));
    const stream = client.streamAssistantResponse(ID);
    await clock.advance(125);
    expect(stream.state).toBe('waiting');

    await stream.cancel();

    expect(await stream.done).toMatchObject({ outcome: 'cancelled', text: 'a' });
  });

  it('without a network stops the view after 2 s, and says that the server was not told', async () => {
    const { net, clock, client } = createWorld();
    net.once('GET /stream/', () => streamOf(accepted, chunk('1-2', 'Hel')));
    net.always('', offline);
    const stream = client.streamAssistantResponse(ID);
    await settle();

    const stopping = fate(stream.cancel());
    await clock.advance(10_000);

    expect(await stream.done).toMatchObject({ outcome: 'cancelled', text: 'Hel' });
    expect(await stopping).toMatchObject({ kind: 'network', stage: 'cancel' });
    expect(net.seen('DELETE')).toHaveLength(4);
    expect(clock.pending).toBe(0);
  });

  it.each([404, 410])('of a run that is gone (%i) is a stop all the same', async (status) => {
    const { net, clock, client } = createWorld();
    const live = new LiveStream().write(accepted);
    net.once('GET /stream/', () => live.response).once('DELETE ', () => problem(status, 'gone'));
    const stream = client.streamAssistantResponse(ID);
    await settle();

    await stream.cancel();
    await clock.advance(2_000);

    expect(await stream.done).toMatchObject({ outcome: 'cancelled' });
  });

  it('twice is once, and after the end is nothing', async () => {
    const { net, client } = createWorld();
    const live = new LiveStream().write(accepted);
    net.once('GET /stream/', () => live.response).once('DELETE ', cancelled);
    const stream = client.streamAssistantResponse(ID);
    await settle();

    await Promise.all([stream.cancel(), stream.cancel()]);
    live.write(complete('1-2', 'a', 'cancelled'));
    await stream.done;
    await stream.cancel();

    expect(net.seen('DELETE')).toHaveLength(1);
    expect(stream.state).toBe('ended');
  });

  it('by the signal of an interaction cancels the run; by that of a stream detaches', async () => {
    const { net, client } = createWorld();
    const abort = new AbortController();
    const live = new LiveStream().write(accepted);
    net.once('POST /request', () => accept201(ID)).once('DELETE ', cancelled);
    net.once('GET /stream/', silent).once('GET /stream/', () => live.response);
    const run = client.interactWithAssistant(REQUEST, { signal: abort.signal });
    const watch = client.streamAssistantResponse(ID, { signal: abort.signal });
    await settle();

    abort.abort();
    await settle();
    live.write(complete('1-2', 'a', 'cancelled'));

    expect(await run.done).toMatchObject({ outcome: 'cancelled' });
    expect(await fate(watch.done)).toMatchObject({ kind: 'cancelled', code: 'detached' });
    expect(net.seen('DELETE')).toHaveLength(1);
  });
});

describe('an unknown event', () => {
  it('is handed on and moves the cursor', async () => {
    const { net, clock, client } = createWorld();
    net.once('GET /stream/', () => streamOf(frame('1-1', 'telepathy', { a: 1 })));
    net.once('GET /stream/', () => streamOf(complete('1-2', 'a')));
    const events: AssistantEvent[] = [];
    const stream = client.streamAssistantResponse(ID, { onEvent: (event) => events.push(event) });

    await clock.advance(250);
    await stream.done;

    expect(events[0]).toMatchObject({ event: 'unknown', name: 'telepathy', data: { a: 1 } });
    expect(net.calls[1]?.headers.get('last-event-id')).toBe('1-1');
  });
});
