import { describe, expect, it } from 'vitest';
import { createFrameDecoder, type Frame, readBytes } from '../../src/core/sse.ts';

const encoder = new TextEncoder();

interface Case {
  rule: string;
  text: string | Uint8Array;
  frames: Frame[];
  retries?: number[];
}

const one = (data: string, more: Partial<Frame> = {}): Frame => ({
  event: 'message',
  data,
  id: undefined,
  ...more,
});

/** The rules of WHATWG HTML, section 9.2.6 "Interpreting an event stream", one case each. */
const CASES: Case[] = [
  { rule: 'a blank line dispatches', text: 'data: a\n\n', frames: [one('a')] },
  { rule: 'lines end in CR', text: 'data: a\r\rdata: b\r\r', frames: [one('a'), one('b')] },
  { rule: 'lines end in CRLF', text: 'data: a\r\n\r\ndata: b\r\n\r\n', frames: [one('a'), one('b')] },
  { rule: 'line ends mix', text: 'data: a\r\ndata: b\rdata: c\n\n', frames: [one('a\nb\nc')] },
  { rule: 'one space after the colon goes', text: 'data:  a\n\ndata:b\n\n', frames: [one(' a'), one('b')] },
  { rule: 'a tab stays', text: 'data:\ta\n\n', frames: [one('\ta')] },
  { rule: 'later colons are data', text: 'data: a: b:\n\n', frames: [one('a: b:')] },
  { rule: 'a field without a colon is empty', text: 'data\n\n', frames: [one('')] },
  { rule: 'data lines are joined by LF', text: 'data: a\ndata\ndata: b\n\n', frames: [one('a\n\nb')] },
  { rule: 'no data, no event', text: 'event: x\nid: 1-1\n\n\n\n', frames: [] },
  { rule: 'a comment is nothing', text: ': hello\ndata: a\n:\n\n', frames: [one('a')] },
  { rule: 'a heartbeat without a blank line is nothing', text: ':\n:\ndata: a\n\n', frames: [one('a')] },
  {
    rule: 'the event name',
    text: 'event: stage\ndata: a\n\ndata: b\n\n',
    frames: [one('a', { event: 'stage' }), one('b')],
  },
  { rule: 'an empty event name is message', text: 'event: x\nevent:\ndata: a\n\n', frames: [one('a')] },
  { rule: 'names are case-sensitive', text: 'Data: a\nDATA: b\ndata: c\n\n', frames: [one('c')] },
  { rule: 'unknown fields are ignored', text: 'foo: a\n data: b\ndata: c\n\n', frames: [one('c')] },
  {
    rule: 'the id is of its frame only',
    text: 'id: 1-1\ndata: a\n\ndata: b\n\n',
    frames: [one('a', { id: '1-1' }), one('b')],
  },
  { rule: 'an id with NUL is ignored', text: 'id: 1\u00001\ndata: a\n\n', frames: [one('a')] },
  { rule: 'the last id counts', text: 'id: 1-1\nid: 1-2\ndata: a\n\n', frames: [one('a', { id: '1-2' })] },
  {
    rule: 'retry is digits',
    text: 'retry: 2000\nretry: 1e3\nretry: -1\nretry:\ndata: a\n\n',
    frames: [one('a')],
    retries: [2000],
  },
  { rule: 'a half frame at the end is dropped', text: 'data: a\n\ndata: b\n', frames: [one('a')] },
  { rule: 'one byte order mark goes', text: '\uFEFFdata: a\n\n', frames: [one('a')] },
  {
    rule: 'a second one is part of the field name',
    text: '\uFEFF\uFEFFdata: a\ndata: b\n\n',
    frames: [one('b')],
  },
  { rule: 'UTF-8 of every length', text: 'data: aé€😀\n\n', frames: [one('aé€😀')] },
  {
    rule: 'LS and PS end no line',
    text: 'data: a\u2028b\u2029c\u0085d\n\n',
    frames: [one('a\u2028b\u2029c\u0085d')],
  },
  {
    rule: 'broken UTF-8 becomes U+FFFD',
    text: new Uint8Array([...encoder.encode('data: '), 0xff, 0xc3, ...encoder.encode('(\n\n')]),
    frames: [one('\uFFFD\uFFFD(')],
  },
];

function decode(pieces: Uint8Array[]) {
  const frames: Frame[] = [];
  const retries: number[] = [];
  const feed = createFrameDecoder(
    (frame) => frames.push(frame),
    (ms) => retries.push(ms),
  );
  for (const piece of pieces) feed(piece);
  return { frames, retries };
}

describe('the frame decoder', () => {
  it.each(CASES)('$rule, at every split', ({ text, frames, retries = [] }) => {
    const bytes = typeof text === 'string' ? encoder.encode(text) : text;

    for (let at = 0; at <= bytes.length; at += 1) {
      expect(decode([bytes.slice(0, at), bytes.slice(at)]), `split at ${at}`).toEqual({ frames, retries });
    }
    expect(decode(Array.from(bytes, (byte) => new Uint8Array([byte]))), 'byte by byte').toEqual({
      frames,
      retries,
    });
  });

  it('refuses a frame without end', () => {
    const feed = createFrameDecoder(
      () => {},
      () => {},
    );
    const mebibyte = encoder.encode('a'.repeat(1024 * 1024));
    feed(encoder.encode('data: '));

    expect(() => {
      for (let i = 0; i < 40; i += 1) feed(mebibyte);
    }).toThrow(expect.objectContaining({ kind: 'protocol' }));
  });
});

describe('readBytes', () => {
  const body = (...chunks: string[]) =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(encoder.encode(chunk));
        controller.close();
      },
    });

  it('reads to the end', async () => {
    const seen: number[] = [];

    await readBytes(body('a', 'bb'), (bytes) => seen.push(bytes.length) > 0, new AbortController().signal);

    expect(seen).toEqual([1, 2]);
  });

  it('stops when it is told to, and lets the body go', async () => {
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(encoder.encode('a')),
      cancel: () => {
        cancelled = true;
      },
    });

    await readBytes(endless, () => false, new AbortController().signal);

    expect(cancelled).toBe(true);
  });

  it('rejects with the reason of an abort while it waits', async () => {
    const abort = new AbortController();
    const reading = readBytes(new ReadableStream(), () => true, abort.signal);
    abort.abort(new Error('gone'));

    await expect(reading).rejects.toThrow('gone');
  });
});
