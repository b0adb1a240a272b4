/** Event ids are `<attempt>-<seq>` and compare as pairs of numbers, never as text. */

const EVENT_ID = /^(\d{1,15})-(\d{1,15})$/;

/** The cursor before the first event. */
export const START = '0';

export function isEventId(id: string): boolean {
  return EVENT_ID.test(id);
}

/** True when `id` comes strictly after `cursor`; everything comes after {@link START}. */
export function isAfter(id: string, cursor: string): boolean {
  const [attempt, seq] = pair(id);
  const [lastAttempt, lastSeq] = pair(cursor);
  return attempt === lastAttempt ? seq > lastSeq : attempt > lastAttempt;
}

function pair(id: string): [number, number] {
  const match = EVENT_ID.exec(id);
  return match ? [Number(match[1]), Number(match[2])] : [0, 0];
}

/** A random UUID v4. `crypto.randomUUID` does not exist on plain http pages, so the bytes are drawn here. */
export function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
