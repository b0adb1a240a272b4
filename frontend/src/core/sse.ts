import { createParser } from 'eventsource-parser';
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

/** Bytes in, frames out, whatever the splits. */
export function createFrameDecoder(onFrame: (frame: Frame) => void, onRetry: (ms: number) => void) {
  // The parser removes a byte order mark itself; the decoder must not remove a second one.
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  const parser = createParser({
    maxBufferSize: MAX_FRAME,
    onEvent: ({ id, event = 'message', data }) => onFrame({ id, event, data }),
    onRetry,
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded')
        throw protocolError('The stream sent a frame without end.');
    },
  });
  return (bytes: Uint8Array) => parser.feed(utf8.decode(bytes, { stream: true }));
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
