import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeEvent, isTerminal } from '../../src/core/decode.ts';
import type { AssistantEvent } from '../../src/core/index.ts';
import { type Answer, NEW_ANSWER, reduce } from '../../src/core/machine.ts';
import { createFrameDecoder } from '../../src/core/sse.ts';
import { accept201, LiveStream, problem } from '../support/scripted-fetch.ts';
import { createWorld } from '../support/world.ts';

interface Transcript {
  name: string;
  about: string;
  request: { prompt: string; mode: string };
  request_id: string;
  connections: { after: string | null; body: string }[];
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
  it('are all here', () => {
    expect(transcripts.length).toBeGreaterThanOrEqual(15);
  });

  describe.each(transcripts)('$name: $about', (transcript) => {
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
