import { describe, expect, it } from 'vitest';
import { isAfter, isEventId, START, uuid } from '../../src/core/ids.ts';

describe('event ids', () => {
  it.each([
    ['1-1', START, true],
    ['1-2', '1-1', true],
    ['1-10', '1-9', true],
    ['2-1', '1-999', true],
    ['10-1', '9-1', true],
    ['1-1', '1-1', false],
    ['1-9', '1-10', false],
    ['1-999', '2-1', false],
  ])('%s after %s: %s', (id, cursor, after) => {
    expect(isAfter(id, cursor)).toBe(after);
  });

  it.each([
    '',
    '1',
    '1-',
    '-1',
    '1-1-1',
    'a-1',
    '1-1 ',
    ' 1-1',
    '1_1',
    '١-١',
    '1-1\n',
    `1-${'9'.repeat(16)}`,
  ])('takes %j for no event id', (id) => {
    expect(isEventId(id)).toBe(false);
  });
});

describe('uuid', () => {
  const V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

  it('is a version 4 UUID', () => {
    expect(uuid()).toMatch(V4);
  });

  it('is another one each time', () => {
    expect(new Set(Array.from({ length: 100 }, uuid)).size).toBe(100);
  });
});
