import { describe, expect, it, vi } from 'vitest';
import { Conversation, type ConversationOptions } from '../../src/core/conversation.ts';
import { historyOf, type Message } from '../../src/core/history.ts';
import { settle } from '../support/clock.ts';
import { accepted, chunk, complete, completeData, failure, frame, ID } from '../support/frames.ts';
import { manualFrames } from '../support/manual-frames.ts';
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

function open(options: Partial<ConversationOptions> = {}) {
  const world = createWorld();
  const { schedule, frame: nextFrame } = manualFrames();
  const chat = new Conversation({
    client: world.client,
    trackId: 't',
    schedule,
    wake: () => () => {},
    ...options,
  });
  const shown = () =>
    chat
      .getSnapshot()
      .messages.map((message) =>
        message.role === 'user' ? `> ${message.text}` : `${message.state}: ${message.text}`,
      );
  const body = (at = 0) => JSON.parse(world.net.seen('POST /request')[at]?.body ?? 'null');
  return { ...world, chat, shown, body, nextFrame };
}

const answers = (text: string) => () => streamOf(accepted, chunk('1-2', text), complete('1-3', text));
const key = (messages: readonly Message[], at: number) => messages.at(at)?.key ?? '';

describe('sending', () => {
  it('shows the prompt at once, then the answer frame by frame', async () => {
    const { net, chat, shown, nextFrame } = open();
    const live = new LiveStream();
    net.once('POST /request', () => accept201(ID)).once('GET /stream/', () => live.response);

    expect(chat.send('Hi')).toBe(true);
    expect(shown()).toEqual(['> Hi', 'sending: ']);
    await settle();
    expect(shown()).toEqual(['> Hi', 'waiting: ']);
    live.write(accepted + chunk('1-2', 'Hel') + chunk('1-3', 'lo'));
    await settle();
    nextFrame();
    expect(shown()).toEqual(['> Hi', 'streaming: Hello']);
    live.write(complete('1-4', 'Hello!'));
    await settle();

    expect(shown()).toEqual(['> Hi', 'complete: Hello!']);
    expect(chat.getSnapshot().running).toBeNull();
  });

  it('changes the store once for many chunks', async () => {
    const { net, chat, nextFrame } = open();
    const live = new LiveStream();
    net.once('POST /request', () => accept201(ID)).once('GET /stream/', () => live.response);
    chat.send('Hi');
    live.write(accepted);
    await settle();
    nextFrame();
    const listener = vi.fn();
    chat.subscribe(listener);

    for (let seq = 2; seq < 100; seq += 1) live.write(chunk(`1-${seq}`, 'a'));
    await settle();
    expect(listener).not.toHaveBeenCalled();
    nextFrame();

    expect(listener).toHaveBeenCalledOnce();
    chat.detach();
  });

  it('keeps the identity of messages that did not change', async () => {
    const { net, chat } = open();
    net.always('POST /request', () => accept201(ID)).always('GET /stream/', answers('a'));
    chat.send('one');
    await settle();
    const before = chat.getSnapshot().messages;

    chat.send('two');
    await settle();

    expect(chat.getSnapshot().messages.slice(0, 2)).toEqual(before);
    expect(chat.getSnapshot().messages[1]).toBe(before[1]);
  });

  it("sends the track, earlier turns, action names and the page's context", async () => {
    const { net, chat, body } = open({
      mode: 'edit',
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello' },
      ],
      actions: { insert_track: () => 1 },
      context: () => ({ content: 'text', bar: 4 }),
    });
    net.once('POST /request', () => accept201(ID)).once('GET /stream/', answers('a'));

    chat.send('More');
    await settle();

    expect(body()).toEqual({
      prompt: 'More',
      mode: 'edit',
      track_id: 't',
      context: {
        history: [
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: 'Hello' },
        ],
        actions: ['insert_track'],
        content: 'text',
        bar: 4,
      },
    });
  });

  it('does nothing while an answer is made, or without words', async () => {
    const { net, chat, shown } = open();
    net.once('POST /request', silent);

    expect(chat.send('  \n')).toBe(false);
    chat.send('one');
    expect(chat.send('two')).toBe(false);

    expect(shown()).toEqual(['> one', 'sending: ']);
    chat.detach();
  });

  it('that is refused shows the error', async () => {
    const { net, chat } = open();
    net.once('POST /request', () => problem(429, 'rate_limited', { 'Retry-After': '7' }));

    chat.send('Hi');
    await settle();

    expect(chat.getSnapshot().messages[1]).toMatchObject({
      state: 'error',
      error: { kind: 'limited', retryAfter: 7 },
    });
  });
});

describe('stopping', () => {
  it('freezes the view at once, and then shows the last word', async () => {
    const { net, chat, shown, nextFrame } = open();
    const live = new LiveStream().write(accepted + chunk('1-2', 'Hel'));
    net.once('POST /request', () => accept201(ID)).once('GET /stream/', () => live.response);
    net.once('DELETE ', () => json(202, {}));
    chat.send('Hi');
    await settle();

    chat.stop();
    expect(shown()).toEqual(['> Hi', 'stopping: Hel']);
    live.write(chunk('1-3', 'lo'));
    await settle();
    nextFrame();
    expect(shown()).toEqual(['> Hi', 'stopping: Hel']);
    live.write(complete('1-4', 'Hello', 'cancelled'));
    await settle();

    expect(shown()).toEqual(['> Hi', 'cancelled: Hello']);
  });

  it('before anything was sent shows it as cancelled', async () => {
    const world = createWorld({ token: () => new Promise<string>(() => {}) });
    const { chat, shown } = open({ client: world.client });
    chat.send('Hi');
    await settle();

    chat.stop();
    await settle();

    expect(shown()).toEqual(['> Hi', 'cancelled: ']);
    expect(world.net.calls).toHaveLength(0);
  });
});

describe('asking again', () => {
  it('retries in place of the failed answer', async () => {
    const { net, chat, shown, body } = open();
    net.always('POST /request', () => accept201(ID));
    net
      .once('GET /stream/', () => streamOf(accepted, failure('1-2', 'internal')))
      .once('GET /stream/', answers('ok'));
    chat.send('Hi');
    await settle();

    expect(chat.retry(key(chat.getSnapshot().messages, 1))).toBe(true);
    await settle();

    expect(shown()).toEqual(['> Hi', 'complete: ok']);
    expect(body(1).context.history).toEqual([]);
  });

  it('edits an earlier prompt and drops what came after it', async () => {
    const { net, chat, shown } = open();
    net.always('POST /request', () => accept201(ID)).always('GET /stream/', answers('a'));
    chat.send('one');
    await settle();
    chat.send('two');
    await settle();

    expect(chat.edit(key(chat.getSnapshot().messages, 0), 'uno')).toBe(true);
    await settle();

    expect(shown()).toEqual(['> uno', 'complete: a']);
  });

  it('takes up a lost stream where it was lost, on request and when the page wakes', async () => {
    let wake = () => {};
    const { net, clock, chat, shown } = open({
      wake: (onWake) => {
        wake = onWake;
        return () => {};
      },
    });
    net
      .once('POST /request', () => accept201(ID))
      .once('GET /stream/', () => streamOf(accepted, chunk('1-2', 'Hel')));
    net.always('GET /stream/', offline);
    chat.send('Hi');
    await clock.advance(120_000);
    expect(shown()).toEqual(['> Hi', 'error: Hel']);

    net.once('GET /stream/', () => streamOf(chunk('1-3', 'lo'), complete('1-4', 'Hello')));
    wake();
    await settle();

    expect(shown()).toEqual(['> Hi', 'complete: Hello']);
    expect(net.calls.at(-1)?.headers.get('last-event-id')).toBe('1-2');
    expect(net.seen('POST')).toHaveLength(1);
  });
});

describe('a stream that was taken up again', () => {
  it('and is stopped without a last word keeps all that was said', async () => {
    const { net, clock, chat, shown } = open();
    net
      .once('POST /request', () => accept201(ID))
      .once('GET /stream/', () => streamOf(accepted, chunk('1-2', 'Hel')));
    net.always('GET /stream/', offline);
    chat.send('Hi');
    await clock.advance(120_000);
    net.once('GET /stream/', () => new LiveStream().write(chunk('1-3', 'lo')).response);
    net.once('DELETE ', () => json(202, {}));
    chat.reconnect();
    await settle();

    chat.stop();
    await clock.advance(2_000);

    expect(shown()).toEqual(['> Hi', 'cancelled: Hello']);
  });
});

describe('a reload', () => {
  const record = (id: string, status: string, more: object = {}) => ({
    request_id: id,
    status,
    mode: 'chat',
    prompt: `prompt ${id}`,
    last_event_id: '1-3',
    ...more,
  });
  const ended = (id: string) => record(id, 'completed', { result: completeData(`answer ${id}`) });

  it('brings back what ended and follows what runs, without a POST', async () => {
    const { net, chat, shown } = open();
    net.once('GET /requests', () =>
      json(200, { requests: [record('c', 'running'), record('b', 'completed'), ended('a')] }),
    );
    net.once('GET /request/b', () => json(200, ended('b')));
    net.once('GET /stream/c', answers('answer c'));

    await chat.resume();
    expect(chat.getSnapshot().running).toBe(key(chat.getSnapshot().messages, -1));
    await settle();

    expect(shown()).toEqual([
      '> prompt a',
      'complete: answer a',
      '> prompt b',
      'complete: answer b',
      '> prompt c',
      'complete: answer c',
    ]);
    expect(net.calls[0]?.path).toBe('/requests?track_id=t');
    expect(net.seen('POST')).toHaveLength(0);
  });

  it('shows a failed request as failed', async () => {
    const { net, chat } = open();
    const result = {
      ts: 1,
      code: 'worker_lost',
      message: 'm',
      retryable: true,
      partial: { text: 'p', parts: [] },
    };
    net.once('GET /requests', () => json(200, { requests: [record('a', 'failed', { result })] }));

    await chat.resume();

    expect(chat.getSnapshot().messages[1]).toMatchObject({
      state: 'error',
      text: 'p',
      error: { kind: 'interrupted' },
    });
  });

  it('twice shows nothing twice', async () => {
    const { net, chat, shown } = open();
    net.always('GET /requests', () => json(200, { requests: [ended('a')] }));

    await chat.resume();
    await chat.resume();

    expect(shown()).toEqual(['> prompt a', 'complete: answer a']);
  });

  it("puts what runs after the page's own turns, and its prompt once", async () => {
    const messages = [
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'first' },
      { role: 'user', content: 'prompt a' },
    ] as const;
    const { net, chat, shown } = open({ messages });
    net.once('GET /requests', () => json(200, { requests: [record('a', 'running')] }));
    net.once('GET /stream/a', answers('second'));

    await chat.resume();
    await settle();

    expect(shown()).toEqual(['> one', 'complete: first', '> prompt a', 'complete: second']);
    expect(net.calls[0]?.path).toBe('/requests?track_id=t&state=active');
  });

  it('shows as gone what went while it was asked for', async () => {
    const { net, chat } = open();
    net.once('GET /requests', () => json(200, { requests: [ended('b'), record('a', 'completed')] }));
    net.always('GET /', () => problem(410, 'gone'));

    await chat.resume();
    await settle();

    const states = chat.getSnapshot().messages.map((message) => 'state' in message && message.state);
    expect(states).toEqual([false, 'error', false, 'complete']);
    expect(chat.getSnapshot().messages[1]).toMatchObject({ error: { kind: 'gone' } });
  });

  it('stops what it found running', async () => {
    const { net, chat, shown } = open();
    const live = new LiveStream().write(accepted);
    net.once('GET /requests', () => json(200, { requests: [record(ID, 'running')] }));
    net.once('GET /stream/', () => live.response).once('DELETE ', () => json(202, {}));
    await chat.resume();
    await settle();

    chat.stop();
    await settle();
    live.write(complete('1-2', 'x', 'cancelled'));
    await settle();

    expect(shown()).toEqual([`> prompt ${ID}`, 'cancelled: x']);
    expect(net.seen('DELETE')).toHaveLength(1);
  });
});

describe('actions', () => {
  const data = { action_id: 'a1', name: 'insert_track', args: { bpm: 1 }, phase: 'proposed' };

  it('run once for a log that is replayed after a reset', async () => {
    const run = vi.fn(() => 1);
    const { net, clock, chat } = open({ actions: { insert_track: run } });
    const action = frame('1-2', 'action', { ...data, wants: 'result' });
    net.once('POST /request', () => accept201(ID)).always('POST /request/', () => json(202, {}));
    net.once('GET /stream/', () => streamOf(accepted, action));
    net.once('GET /stream/', () =>
      streamOf(frame(null, 'status', { state: 'reset' }), accepted, action, complete('1-3', '')),
    );

    chat.send('Hi');
    await clock.advance(250);

    expect(run).toHaveBeenCalledOnce();
    expect(net.seen(`POST /request/${ID}/actions/a1`)).toHaveLength(2);
  });

  it('are approved by the user', async () => {
    const { net, chat, nextFrame } = open();
    const live = new LiveStream().write(accepted + frame('1-2', 'action', { ...data, wants: 'approval' }));
    net.once('POST /request', () => accept201(ID)).once('GET /stream/', () => live.response);
    net.always('POST /request/', () => json(202, {}));
    chat.send('Hi');
    await settle();
    nextFrame();

    expect(await chat.answer('a1', true)).toBe(true);
    expect(await chat.answer('unheard of', true)).toBe(false);

    expect(net.calls.at(-1)?.body).toBe('{"status":"ok"}');
    chat.detach();
  });
});

describe('detaching', () => {
  it('leaves the run alone and nothing behind', async () => {
    const stopWake = vi.fn();
    const { net, clock, chat } = open({ wake: () => stopWake });
    const live = new LiveStream().write(accepted);
    net.once('POST /request', () => accept201(ID)).once('GET /stream/', () => live.response);
    chat.send('Hi');
    await settle();

    chat.detach();
    await settle();

    expect(live.cancelled).toBe(true);
    expect(net.seen('DELETE')).toHaveLength(0);
    expect(stopWake).toHaveBeenCalledOnce();
    expect(clock.pending).toBe(0);
  });
});

describe('historyOf', () => {
  const user = (text: string): Message => ({ role: 'user', key: text, text });

  it('leaves out turns without words', () => {
    expect(historyOf([user('a'), user(''), user('b')])).toEqual([
      { role: 'user', content: 'a' },
      { role: 'user', content: 'b' },
    ]);
  });

  it('drops the oldest when there is no room, and never more than it must', () => {
    const long = 'x'.repeat(60_000);

    expect(historyOf([user(long), user('a'), user(long)]).map(({ content }) => content.length)).toEqual([
      1, 60_000,
    ]);
    expect(historyOf(Array.from({ length: 500 }, () => user('a')))).toHaveLength(200);
  });
});
