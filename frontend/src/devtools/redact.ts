import type { TraceEntry } from '../core/index.ts';

/** Fields of an event that hold people's or the model's words, or what an action was given. */
const WORDS = new Set(['text', 'args', 'value', 'title', 'url', 'detail', 'prompt', 'content', 'claim']);
/** Query parameters that name what a request belongs to. */
const QUERY = /([?&]track_id=)[^&]*/g;

/** The entry without words, names of tracks, or anything a message of the server may quote. */
export function redacted(entry: TraceEntry): TraceEntry {
  if (entry.type === 'request') return { ...entry, path: entry.path.replace(QUERY, '$1[redacted]') };
  if (entry.type === 'failure') return { ...entry, message: length(entry.message) };
  if (entry.type === 'frame') return { ...entry, data: redactedData(entry.data) };
  return entry;
}

function redactedData(data: string): string {
  try {
    return JSON.stringify(JSON.parse(data), (key, value) => (WORDS.has(key) ? length(value) : value));
  } catch {
    return length(data);
  }
}

function length(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return `[${text.length} characters]`;
}
