import { describe, expect, it, vi } from 'vitest';
import { isLate, isLive, Recorder, timelinesOf } from '../../src/devtools/index.ts';
import { settle } from '../support/clock.ts';
import { accepted, chunk, complete, frame, ID } from '../support/frames.ts';
import { accept201, LiveStream, offline, streamOf } from '../support/scripted-fetch.ts';
import { createWorld } from '../support/world.ts';

function record() {
  const recorder = new Recorder();
  return { recorder, ...createWorld({ hooks: recorder.hooks, token: () => 'secret-token' }) };
}

describe('the recorder', () => {
  it('keeps the newest, and tells who listens', () => {
    const recorder = new Recorder(100);
    const listener = vi.fn();
    const stop = recorder.subscribe(listener);

    for (let at = 1; at <= 1_000; at += 1)
      recorder.hooks.onTrace({ type: 'response', at, call: at, status: 200, instance: null });
    stop();
    recorder.clear();

    expect(listener).toHaveBeenCalledTimes(1_000);
    expect(recorder.entries).toHaveLength(0);
  });

  it('stays within its limit and a fifth', () => {
    const recorder = new Recorder(100);

    for (let at = 1; at <= 1_000; at += 1)
      recorder.hooks.onTrace({ type: 'response', at, call: at, status: 200, instance: null });

    expect(recorder.entries.length).toBeLessThanOrEqual(120);
    expect(recorder.entries.at(-1)?.at).toBe(1_000);
  });

  it('exports what happened, and nothing of what was said', async () => {
    const { recorder, net, client } = record();
    const action = {
      action_id: 'a',
      name: 'n',
      args: { secret: 1 },
      phase: 'proposed',
      wants: 'nothing',
      value: 'secret-value',
    };
    net.once('GET /requests', offline);
    net.once('POST /request', () => accept201(ID));
    const odd = 'id: 1-4\nevent: later\ndata: secret plain\n\n';
    net.once('GET /stream/', () =>
      streamOf(
        accepted,
        chunk('1-2', 'secret-text'),
        frame('1-3', 'action', action),
        odd,
        complete('1-5', 'secret-text'),
      ),
    );
    await client.list({ track_id: 'secret-track' }).catch(() => {});
    await client.interactWithAssistant({ prompt: 'secret-prompt', mode: 'chat' }).done;

    const text = recorder.export();

    expect(text).not.toContain('secret');
    expect(text).toContain('[11 characters]');
    expect(JSON.parse(text)).toHaveLength(recorder.entries.length);
  });
});

describe('timelines', () => {
  it('tell when each step was reached, and what was late', async () => {
    const { recorder, net, clock, client } = record();
    let post: (response: Response) => void = () => {};
    net.once(
      'POST /request',
      () =>
        new Promise((resolve) => {
          post = resolve;
        }),
    );
    const live = new LiveStream();
    net.once('GET /stream/', offline).once('GET /stream/', () => live.response);
    const { done } = client.interactWithAssistant({ prompt: 'p', mode: 'chat' });
    await clock.advance(600);
    post(accept201(ID));
    await clock.advance(125);
    live.write(accepted);
    await clock.advance(1_000);
    expect(timelinesOf(recorder.entries).map(isLive)).toEqual([true]);
    live.write(chunk('1-2', 'a') + complete('1-3', 'a'));
    await done;
    await settle();

    const [timeline] = timelinesOf(recorder.entries);

    expect(timeline).toMatchObject({ requestId: ID, state: 'ended', frames: 3, retries: 1 });
    expect(timeline?.steps.map((step) => [step.name, step.at, isLate(step)])).toEqual([
      ['accepted', 600, true],
      ['connected', 725, false],
      ['first chunk', 1_725, false],
      ['ended', 1_725, false],
    ]);
    expect(isLive(timeline as never)).toBe(false);
  });

  it('of a stream that was only joined begin where it was joined', async () => {
    const { recorder, net, client } = record();
    net.once('GET /stream/', () => streamOf(accepted, complete('1-2', 'a')));

    await client.streamAssistantResponse(ID).done;

    expect(timelinesOf(recorder.entries)[0]?.steps.map(({ name }) => name)).toEqual(['connected', 'ended']);
  });
});
