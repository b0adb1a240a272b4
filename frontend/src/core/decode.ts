import { isRecord, protocolError } from './errors.ts';
import { isEventId } from './ids.ts';
import type { AssistantEvent, ErrorData, RequestRecord } from './types.ts';

type Shape = Record<string, 'string' | 'number' | 'boolean' | 'array'>;

/** The fields without which an event means nothing. Others may be missing, and new ones may come. */
const SHAPES: Record<string, Shape> = {
  stage: { stage: 'string', state: 'string' },
  status: { state: 'string' },
  response_chunk: { text: 'string', part: 'string', index: 'number' },
  action: { action_id: 'string', name: 'string', phase: 'string', wants: 'string' },
  complete: { outcome: 'string', text: 'string', parts: 'array' },
  error: { code: 'string', message: 'string', retryable: 'boolean' },
};

/** The event of a frame; throws a `protocol` error when a known event is not what the contract says. */
export function decodeEvent(id: string | null | undefined, name: string, data: string): AssistantEvent {
  return toEvent(id, name, parse(data));
}

/** The same for data that is JSON already, as in a poll or a record. */
export function toEvent(id: string | null | undefined, name: string, data: unknown): AssistantEvent {
  const shape = Object.hasOwn(SHAPES, name) ? SHAPES[name] : undefined;
  if (!shape) return { event: 'unknown', id: id && isEventId(id) ? id : null, name, data };
  if (!fits(data, shape)) throw protocolError(`The server sent a ${name} event that is not one.`);
  if (!id && name === 'status') return { event: 'notice', id: null, data } as AssistantEvent;
  if (!id || !isEventId(id)) throw protocolError(`The server sent a ${name} event without a valid id.`);
  return { event: name, id, data } as AssistantEvent;
}

export function isTerminal(
  event: AssistantEvent,
): event is Extract<AssistantEvent, { event: 'complete' | 'error' }> {
  return event.event === 'complete' || event.event === 'error';
}

/** The terminal event that a record keeps; null while the request goes on. */
export function terminalOf(record: RequestRecord): AssistantEvent | null {
  const { result, last_event_id: id } = record;
  if (!result) return null;
  const event = toEvent(id ?? '1-1', isError(result) ? 'error' : 'complete', result);
  return isTerminal(event) ? event : null;
}

function isError(result: object): result is ErrorData {
  return 'code' in result;
}

function fits(data: unknown, shape: Shape): boolean {
  if (!isRecord(data)) return false;
  return Object.entries(shape).every(([field, type]) =>
    type === 'array' ? Array.isArray(data[field]) : typeof data[field] === type,
  );
}

/** Not JSON is not always wrong: an event of the future may carry plain text. */
function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
}
