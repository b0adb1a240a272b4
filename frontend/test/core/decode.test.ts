import { describe, expect, it } from 'vitest';
import { decodeEvent } from '../../src/core/decode.ts';
import { completeData } from '../support/frames.ts';

describe('decodeEvent', () => {
  it.each<[string, object]>([
    ['stage', { ts: 1, stage: 'drafting', state: 'started' }],
    ['status', { ts: 1, state: 'running' }],
    ['response_chunk', { ts: 1, text: 'a', part: 'text', index: 0 }],
    ['action', { ts: 1, action_id: 'a', name: 'n', args: {}, phase: 'proposed', wants: 'result' }],
    ['complete', completeData('a')],
    ['error', { ts: 1, code: 'internal', message: 'm', retryable: false }],
  ])('gives a %s event its data', (name, data) => {
    expect(decodeEvent('1-2', name, JSON.stringify(data))).toEqual({ event: name, id: '1-2', data });
  });

  it('keeps fields and values it does not know', () => {
    const data = { ts: 1, state: 'pondering', mood: 'good' };

    expect(decodeEvent('1-2', 'status', JSON.stringify(data))).toEqual({ event: 'status', id: '1-2', data });
  });

  it('takes a status without id for a notice', () => {
    const event = decodeEvent(undefined, 'status', '{"state":"draining"}');

    expect(event).toEqual({ event: 'notice', id: null, data: { state: 'draining' } });
  });

  it.each([
    ['1-9', '{"a":1}', { event: 'unknown', id: '1-9', name: 'telepathy', data: { a: 1 } }],
    [undefined, 'plain', { event: 'unknown', id: null, name: 'telepathy', data: 'plain' }],
    ['odd', '1', { event: 'unknown', id: null, name: 'telepathy', data: 1 }],
  ])('passes an event of the future on (id %s)', (id, data, event) => {
    expect(decodeEvent(id, 'telepathy', data)).toEqual(event);
  });

  it.each(['constructor', '__proto__', 'toString'])('takes the name %s for no event of ours', (name) => {
    expect(decodeEvent('1-1', name, '{}')).toMatchObject({ event: 'unknown', name });
  });

  it.each([
    ['1-1', 'response_chunk', '{"text":'],
    ['1-1', 'response_chunk', '{"text":1,"part":"text","index":0}'],
    ['1-1', 'response_chunk', '{"text":"a","part":"text"}'],
    ['1-1', 'complete', '{"outcome":"completed","text":"a","parts":{}}'],
    ['1-1', 'complete', 'null'],
    ['1-1', 'error', '[]'],
    [undefined, 'complete', JSON.stringify(completeData('a'))],
    ['', 'response_chunk', '{"text":"a","part":"text","index":0}'],
    ['x', 'status', '{"state":"running"}'],
  ])('refuses id %s, event %s, data %s', (id, name, data) => {
    expect(() => decodeEvent(id, name, data)).toThrow(
      expect.objectContaining({ kind: 'protocol', code: 'malformed' }),
    );
  });
});
