import type { TraceEntry } from '../core/index.ts';

export function summaryOf(entry: TraceEntry): string {
  switch (entry.type) {
    case 'request':
      return `${entry.method} ${entry.path}${entry.cursor ? ` after ${entry.cursor}` : ''}`;
    case 'response':
      return String(entry.status);
    case 'failure':
      return entry.code;
    case 'accepted':
      return shortId(entry.requestId);
    case 'frame':
      return `${entry.id ?? 'notice'} ${entry.event}`;
    case 'retry':
      return `${entry.reason}, try ${entry.failures}, in ${Math.round(entry.delay)} ms`;
    case 'state':
      return entry.state;
  }
}

/** All there is to an entry: a frame as it came over the wire, anything else as JSON. */
export function detailsOf(entry: TraceEntry): string {
  if (entry.type === 'frame') {
    const id = entry.id === null ? '' : `id: ${entry.id}\n`;
    return `${id}event: ${entry.event}\ndata: ${entry.data}`;
  }
  const { at: _at, type: _type, ...rest } = entry;
  return JSON.stringify(rest, null, 1);
}

/** The time of day, to the millisecond. */
export function timeOf(at: number): string {
  return new Date(at).toISOString().slice(11, 23);
}

/** The part of a request id that tells two apart at a glance. */
export function shortId(requestId: string): string {
  return requestId.slice(-12);
}
