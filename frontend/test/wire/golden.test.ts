import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeEvent, isTerminal, toEvent } from '../../src/core/decode.ts';
import type { AssistantEvent } from '../../src/core/index.ts';
import { type Answer, NEW_ANSWER, reduce } from '../../src/core/machine.ts';
import { createFrameDecoder } from '../../src/core/sse.ts';
import type { PollPage } from '../../src/core/types.ts';
import { accept201, json, LiveStream, problem, silent } from '../support/scripted-fetch.ts';
import { createWorld } from '../support/world.ts';

interface Transcript {
  name: string;
  about: string;
  request: { prompt: string; mode: string };
  request_id: string;
  connections: { after: string | null; body: string }[];
  /** In place of connections. */
  polls?: { after: string | null; body: string }[];
  events: { id: string; event: string; data: Record<string, unknown> }[];
  ended: boolean;
}

const FOLDER = resolve(import.meta.dirname, '../../../tests/wire');
const transcripts = (existsSync(FOLDER) ? readdirSync(FOLDER) : [])
  .filter((name) => name.endsWith('.json'))
  .map((name): Transcript => JSON.parse(readFileSync(resolve(FOLDER, name), 'utf8')));

const encoder = new TextEncoder();

/** The events of a body that arrives in these pieces. */
function read(pieces: Uint8Array[]): AssistantEvent[] {
  const events: AssistantEvent[] = [];
  const feed = createFrameDecoder(
    ({ id, event, data }) => events.push(decodeEvent(id, event, data)),
    () => {},
  );
  for (const piece of pieces) feed(piece);
  return events;
}

/** The events of a page, its notices first: a reset comes before what it resets. */
function readPage(body: string): AssistantEvent[] {
  const { notices = [], events } = JSON.parse(body) as PollPage;
  return [
    ...notices.map((notice) => toEvent(null, 'status', notice)),
    ...events.map(({ id, event, data }) => toEvent(id, event, data)),
  ];
}

/** What a consumer holds: a reset forgets what came before. */
function held(events: readonly AssistantEvent[]): AssistantEvent[] {
  const from = events.findLastIndex((event) => event.event === 'notice' && event.data.state === 'reset');
  return events.slice(from + 1).filter(({ id }) => id !== null);
}

const textOf = ({ events }: Transcript) => {
  const last = events.at(-1)?.data as { text?: string; partial?: { text: string } };
  return last?.text ?? last?.partial?.text;
};

// The package alone, without the server beside it, has no transcripts to replay.
describe.runIf(transcripts.length > 0)('the golden transcripts', () => {
  const polled = transcripts.filter(({ polls }) => polls);
  const streamed = transcripts.filter(({ polls }) => !polls);

  it('are all here', () => {
    expect(streamed.length).toBeGreaterThanOrEqual(15);
    expect(polled.length).toBeGreaterThanOrEqual(2);
  });

  describe.each(polled)('$name: $about', (transcript) => {
    const polls = transcript.polls ?? [];

    it('gives a client that cannot stream its events, its text and its end', async () => {
      const { net, clock, client } = createWorld();
      const events: AssistantEvent[] = [];
      net.once('POST /request', () => accept201(transcript.request_id));
      net.always('GET /stream/', silent);
      for (const { body } of polls) net.once('GET /request/', () => json(200, JSON.parse(body)));
      const { done } = client.interactWithAssistant(transcript.request, {
        onEvent: (event) => events.push(event),
      });

      await clock.advance(60_000);

      expect(held(events)).toEqual(transcript.events);
      expect(await done).toMatchObject(endOf(transcript));
      // A client ends with the terminal event, so it never asks what a poll behind it answers.
      const asked = net.seen('GET /request/').map(({ path }) => new URLSearchParams(path.split('?')[1]));
      expect(asked.length).toBe(polls.length - 1);
      for (const query of asked) expect(query.get('after')).toMatch(/^(0|\d+-\d+)$/);
    });

    it('is shown as its text', () => {
      const answer = polls
        .flatMap(({ body }) => readPage(body))
        .reduce<Answer>((before, event) => reduce(before, { type: 'event', event }), NEW_ANSWER);

      expect(answer.text).toBe(textOf(transcript));
    });

    it('says once more that it has ended to one who comes again', () => {
      expect(JSON.parse(polls.at(-1)?.body ?? '')).toMatchObject({ events: [], notices: [], closed: true });
    });
  });

  describe.each(streamed)('$name: $about', (transcript) => {
    it('reads the same at every byte split', () => {
      for (const { body } of transcript.connections) {
        const bytes = encoder.encode(body);
        const whole = read([bytes]);
        for (let at = 1; at < bytes.length; at += 1) {
          expect(read([bytes.subarray(0, at), bytes.subarray(at)]), `split at ${at}`).toEqual(whole);
        }
        expect(read(Array.from(bytes, (byte) => new Uint8Array([byte])))).toEqual(whole);
      }
    });

    it('gives a client its events, its text and its end', async () => {
      const { net, clock, client } = createWorld();
      const events: AssistantEvent[] = [];
      net.once('POST /request', () => accept201(transcript.request_id));
      net.always('POST /session', () => problem(404, 'not_found'));
      for (const { body } of transcript.connections)
        net.once('GET /stream/', () => new LiveStream().write(body).end().response);
      net.always('GET /stream/', () => problem(404, 'not_found'));
      const { done } = client.interactWithAssistant(transcript.request, {
        onEvent: (event) => events.push(event),
      });
      const outcome = done.then(
        (data): unknown => data,
        (error): unknown => error,
      );

      await clock.advance(60_000);

      const cursors = net.seen('GET /stream/').map(({ headers }) => headers.get('last-event-id'));
      const expected = transcript.connections.map(({ after }) => after ?? '0');
      expect(held(events)).toEqual(transcript.events);
      if (!transcript.ended) return expect(await outcome).toMatchObject({ kind: 'gone' });
      expect(await outcome).toMatchObject(endOf(transcript));
      if (!transcript.connections.some(({ body }) => body.includes('"reset"')))
        expect(cursors).toEqual(expected);
    });

    it('is shown as its text', () => {
      const events = transcript.connections.flatMap(({ body }) => read([encoder.encode(body)]));

      const answer = events.reduce<Answer>(
        (before, event) => reduce(before, { type: 'event', event }),
        NEW_ANSWER,
      );

      if (transcript.ended) expect(answer.text).toBe(textOf(transcript));
      else expect(events.some(isTerminal)).toBe(false);
    });
  });
});

function endOf({ events }: Transcript): object {
  const last = events.at(-1);
  const { code, retryable, ...data } = last?.data ?? {};
  return last?.event === 'error' ? { code, retryable, stage: 'stream' } : data;
}
