import { describe, expect, it } from 'vitest';
import { AssistantError, lostError } from '../../src/core/errors.ts';
import {
  type Answer,
  type AnswerState,
  type Input,
  isOver,
  NEW_ANSWER,
  reduce,
} from '../../src/core/machine.ts';
import { textOf } from '../../src/core/transcript.ts';
import type { AssistantEvent } from '../../src/core/types.ts';
import { completeData, ID } from '../support/frames.ts';

const event = (name: string, data: object, id: string | null = '1-2'): Input => ({
  type: 'event',
  event: { event: name, id, data: { ts: 1, ...data } } as AssistantEvent,
});
const connection = (state: 'connecting' | 'open' | 'waiting' | 'polling'): Input => ({
  type: 'connection',
  status: { state, tries: state === 'waiting' ? 2 : 0, retryAt: state === 'waiting' ? 99 : null },
});
const text = (value: string, more: object = {}) =>
  event('response_chunk', { text: value, part: 'text', index: 0, ...more });
const gone = new AssistantError('', { kind: 'gone', code: 'gone', stage: 'connect' });
const cancelledError = new AssistantError('', { kind: 'cancelled', code: 'cancelled', stage: 'request' });

const INPUTS = {
  accepted: { type: 'accepted', requestId: ID },
  status: event('status', { state: 'running' }),
  stage: event('stage', { stage: 'drafting', state: 'started' }),
  chunk: text('a'),
  action: event('action', { action_id: 'x', name: 'n', args: {}, phase: 'proposed', wants: 'result' }),
  complete: event('complete', completeData('ab')),
  cancelled: event('complete', completeData('a', 'cancelled')),
  error: event('error', { code: 'internal', message: 'm', retryable: true }),
  reset: event('notice', { state: 'reset' }, null),
  draining: event('notice', { state: 'draining' }, null),
  unknown: { type: 'event', event: { event: 'unknown', id: '1-2', name: 'x', data: 1 } },
  connecting: connection('connecting'),
  open: connection('open'),
  polling: connection('polling'),
  lost: connection('waiting'),
  stop: { type: 'stop' },
  failed: { type: 'failed', error: gone },
  unsent: { type: 'failed', error: cancelledError },
  reconnect: { type: 'reconnect' },
} as const satisfies Record<string, Input>;

/** Every (state, input): the state after it. `.` is no change. */
const TABLE = `
             sending    waiting       streaming     reconnecting  stopping   complete  error  cancelled
accepted     waiting    .             .             .             .          .         .      .
status       waiting    .             .             streaming     .          .         .      .
stage        waiting    .             .             streaming     .          .         .      .
chunk        streaming  streaming     .             streaming     .          .         .      .
action       waiting    .             .             streaming     .          .         .      .
complete     complete   complete      complete      complete      complete   .         .      .
cancelled    cancelled  cancelled     cancelled     cancelled     cancelled  .         .      .
error        error      error         error         error         error      .         .      .
reset        waiting    .             waiting       waiting       .          .         .      .
draining     .          .             .             .             .          .         .      .
unknown      .          .             .             .             .          .         .      .
connecting   .          .             .             .             .          .         .      .
open         .          .             .             streaming     .          .         .      .
polling      .          .             .             streaming     .          .         .      .
lost         .          reconnecting  reconnecting  .             .          .         .      .
stop         stopping   stopping      stopping      stopping      .          .         .      .
failed       error      error         error         error         error      .         .      .
unsent       cancelled  cancelled     cancelled     cancelled     cancelled  .         .      .
reconnect    .          .             .             .             .          .         .      .
`;

const after = (...inputs: (keyof typeof INPUTS)[]) =>
  inputs.map((name) => INPUTS[name]).reduce<Answer>(reduce, NEW_ANSWER);

/** An answer in each state. The reconnecting one had text already. */
const IN: Record<AnswerState, Answer> = {
  sending: NEW_ANSWER,
  waiting: after('accepted'),
  streaming: after('accepted', 'chunk'),
  reconnecting: after('accepted', 'chunk', 'lost'),
  stopping: after('accepted', 'chunk', 'stop'),
  complete: after('accepted', 'complete'),
  error: after('accepted', 'failed'),
  cancelled: after('accepted', 'cancelled'),
};

const [head = '', ...rows] = TABLE.trim().split('\n');
const states = head.trim().split(/\s+/) as AnswerState[];
const CELLS = rows.flatMap((row) => {
  const [name = '', ...cells] = row.trim().split(/\s+/);
  return states.map((from, at) => ({
    name: name as keyof typeof INPUTS,
    from,
    to: cells[at] === '.' ? from : cells[at],
  }));
});

describe('the table', () => {
  it('has every state and every input', () => {
    expect(new Set(states)).toEqual(new Set(Object.keys(IN)));
    expect(new Set(CELLS.map(({ name }) => name))).toEqual(new Set(Object.keys(INPUTS)));
  });

  it.each(CELLS)('$from + $name = $to', ({ name, from, to }) => {
    expect(IN[from].state).toBe(from);
    expect(reduce(IN[from], INPUTS[name]).state).toBe(to);
  });

  it.each(CELLS.filter(({ from }) => isOver(from)))(
    '$from + $name changes nothing at all',
    ({ name, from }) => {
      expect(reduce(IN[from], INPUTS[name])).toBe(IN[from]);
    },
  );
});

describe('what an answer holds', () => {
  it('joins text parts, and keeps reasoning and appendices apart', () => {
    const answer = [
      text('why', { part: 'reasoning', index: 0 }),
      text('He', { index: 1 }),
      text('llo', { index: 1 }),
      text('x = 1', { part: 'appendix', index: 2, kind: 'code', language: 'python', title: 't' }),
      text('\n', { part: 'appendix', index: 2 }),
    ].reduce<Answer>(reduce, IN.waiting);

    expect(answer.text).toBe('Hello');
    expect(answer.parts).toEqual([
      { part: 'reasoning', index: 0, text: 'why' },
      { part: 'text', index: 1, text: 'Hello' },
      { part: 'appendix', index: 2, kind: 'code', language: 'python', title: 't', text: 'x = 1\n' },
    ]);
  });

  it('keeps the identity of parts that did not change', () => {
    const before = [text('a'), text('b', { index: 1 })].reduce<Answer>(reduce, IN.waiting);
    const next = reduce(before, text('c', { index: 1 }));

    expect(next.parts[0]).toBe(before.parts[0]);
    expect(next.parts[1]).not.toBe(before.parts[1]);
  });

  it("is replaced by the last word's text", () => {
    expect(reduce(IN.streaming, INPUTS.complete)).toMatchObject({ text: 'ab', complete: { text: 'ab' } });
  });

  it('is frozen by stop, until the last word', () => {
    const frozen = reduce(IN.stopping, text('more'));

    expect(frozen).toBe(IN.stopping);
    expect(reduce(frozen, event('complete', completeData('a more', 'cancelled'))).text).toBe('a more');
  });

  it('is kept when the run fails, or replaced by the partial of the error', () => {
    const partial = { text: 'p', parts: [{ part: 'text', index: 0, text: 'p' }] };

    expect(reduce(IN.streaming, INPUTS.error)).toMatchObject({
      text: 'a',
      error: { kind: 'failed', requestId: ID },
    });
    expect(
      reduce(IN.streaming, event('error', { code: 'internal', message: '', retryable: true, partial })),
    ).toMatchObject(partial);
    expect(reduce(IN.streaming, INPUTS.failed)).toMatchObject({ text: 'a', error: gone });
  });

  it('is forgotten by a reset, except what actions did', () => {
    const full = [INPUTS.stage, INPUTS.action, INPUTS.chunk].reduce<Answer>(reduce, IN.waiting);

    const empty = reduce(full, INPUTS.reset);

    expect(empty).toMatchObject({ text: '', parts: [], stages: [], state: 'waiting' });
    expect(empty.actions).toHaveLength(1);
  });

  it('has one line for each stage and each action, with the latest of both', () => {
    const answer = [
      event('stage', { stage: 'drafting', label: 'Drafting', state: 'started' }),
      event('stage', { stage: 'drafting', state: 'finished' }),
      INPUTS.action,
      event('action', { action_id: 'x', name: 'n', phase: 'resolved', wants: 'result', value: 7 }),
    ].reduce<Answer>(reduce, IN.waiting);

    expect(answer.stages).toEqual([{ ts: 1, stage: 'drafting', label: 'Drafting', state: 'finished' }]);
    expect(answer.actions).toEqual([
      { ts: 1, action_id: 'x', name: 'n', args: {}, phase: 'resolved', wants: 'result', value: 7 },
    ]);
  });

  it('tells the tries while it reconnects, and only then', () => {
    expect(reduce(IN.streaming, INPUTS.lost)).toMatchObject({ tries: 2, retryAt: 99 });
    expect(reduce(IN.reconnecting, INPUTS.connecting)).toMatchObject({ tries: 0, retryAt: null });
    expect(reduce(IN.reconnecting, INPUTS.open)).toMatchObject({ tries: 0, retryAt: null });
  });

  it('comes back from a lost connection, and from nothing else', () => {
    const lost = reduce(IN.streaming, { type: 'failed', error: lostError('') });

    expect(reduce(lost, INPUTS.reconnect)).toMatchObject({ state: 'reconnecting', error: null, text: 'a' });
    expect(reduce(IN.error, INPUTS.reconnect)).toBe(IN.error);
  });
});

describe('a random walk', () => {
  /** mulberry32: a walk that fails can be walked again by its seed. */
  function generator(seed: number) {
    let state = seed;
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
  }
  const names = Object.keys(INPUTS) as (keyof typeof INPUTS)[];

  it('of 500 x 60 steps never breaks a rule', () => {
    for (let seed = 1; seed <= 500; seed += 1) {
      const random = generator(seed);
      let answer: Answer = NEW_ANSWER;
      for (let step = 0; step < 60; step += 1) {
        const name = names[Math.floor(random() * names.length)] ?? 'open';
        const next = reduce(Object.freeze(answer), INPUTS[name]);
        const where = `seed ${seed}, step ${step}, ${answer.state} + ${name}`;

        if (isOver(answer.state)) expect(next, where).toBe(answer);
        expect(next.error !== null, where).toBe(next.state === 'error');
        if (next.state === 'complete') expect(next.complete?.outcome, where).toBe('completed');
        if (next.state !== 'reconnecting') expect(next.tries, where).toBe(0);
        if (answer.state === 'stopping' && !isOver(next.state)) expect(next.state, where).toBe('stopping');
        expect(next.text, where).toBe(next.complete?.text ?? textOf(next.parts));
        answer = next;
      }
    }
  });
});
