import { protocolError } from './errors.ts';

/** One event of a text/event-stream, before its data is understood. */
export interface Frame {
  /** Absent when the frame had no `id:` line; never carried over from the frame before. */
  id?: string | undefined;
  event: string;
  data: string;
}

/** Longest frame, in UTF-16 units. The largest a server may send is a whole log (10 MB) escaped as JSON. */
const MAX_FRAME = 32 * 1024 * 1024;

/**
 * Bytes in, frames out, whatever the splits: "Interpreting an event stream" of the WHATWG's HTML
 * standard, but for the last event id, which here belongs to its frame alone.
 */
export function createFrameDecoder(onFrame: (frame: Frame) => void, onRetry: (ms: number) => void) {
  const utf8 = new TextDecoder();
  let line = '';
  let endedInCR = false;
  let id: string | undefined;
  let event = '';
  let data: string | null = null;

  const dispatch = () => {
    const frame = data === null ? null : { id, event: event || 'message', data };
    id = undefined;
    event = '';
    data = null;
    if (frame) onFrame(frame);
  };
  const field = (name: string, value: string) => {
    if (name === 'data') data = data === null ? value : `${data}\n${value}`;
    else if (name === 'event') event = value;
    else if (name === 'id' && !value.includes('\0')) id = value;
    else if (name === 'retry' && /^\d+$/.test(value)) onRetry(Number(value));
  };
  const take = (whole: string) => {
    if (whole === '') return dispatch();
    const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/s.exec(whole) ?? [];
    field(name, value);
  };

  return (bytes: Uint8Array): void => {
    const text = utf8.decode(bytes, { stream: true });
    if (text === '') return;
    // Only what is new is searched: a frame in many small pieces costs no more than one in a single piece.
    const ends = /\r\n?|\n/g;
    let from = endedInCR && text[0] === '\n' ? 1 : 0;
    ends.lastIndex = from;
    for (let end = ends.exec(text); end; end = ends.exec(text)) {
      take(line + text.slice(from, end.index));
      line = '';
      from = ends.lastIndex;
    }
    line += text.slice(from);
    endedInCR = text.endsWith('\r');
    if (line.length + (data ?? '').length > MAX_FRAME)
      throw protocolError('The stream sent a frame without end.');
  };
}

/** Reads a body to its end, or until `onBytes` answers false. A half frame at the end is dropped, as the specification of SSE asks. */
export async function readBytes(
  body: ReadableStream<Uint8Array>,
  onBytes: (bytes: Uint8Array) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const reader = body.getReader();
  // Aborting the fetch does not wake a reader in every engine; cancelling it does.
  const onAbort = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    while (!signal.aborted) {
      const { done, value } = await reader.read();
      if (done) break;
      if (value.byteLength > 0 && !onBytes(value)) break;
    }
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', onAbort);
    await reader.cancel().catch(() => {});
  }
}
