/** Frames and payloads as the server writes them. */

export const ID = '20261122T081438348Z-87c883ea-0e81-446a-a40e-c7f977065256';

export function frame(id: string | null, event: string, data: object | string): string {
  const json = typeof data === 'string' ? data : JSON.stringify({ ts: 1, ...data });
  return `${id === null ? '' : `id: ${id}\n`}event: ${event}\ndata: ${json}\n\n`;
}

export const accepted = frame('1-1', 'status', { state: 'accepted' });

export function chunk(id: string, text: string, more: object = {}): string {
  return frame(id, 'response_chunk', { text, part: 'text', index: 0, ...more });
}

export function complete(id: string, text: string, outcome = 'completed'): string {
  return frame(id, 'complete', completeData(text, outcome));
}

export function completeData(text: string, outcome = 'completed') {
  return { ts: 1, outcome, text, parts: [{ part: 'text', index: 0, text }], actions: [] };
}

export function failure(id: string, code: string, more: object = {}): string {
  return frame(id, 'error', { code, message: 'It failed.', retryable: true, ...more });
}

export function notice(state: string, reason?: string): string {
  return frame(null, 'status', { state, ...(reason ? { reason } : {}) });
}
