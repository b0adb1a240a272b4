import { uuid } from './ids.ts';

const KEY = 'assistant-conversation';

/**
 * The conversation id of a window that was given none. It survives a reload of its tab and nothing
 * else; a page that may not store things gets a new one each time.
 */
export function conversationId(key: string = KEY): string {
  try {
    const known = globalThis.sessionStorage.getItem(key);
    if (known) return known;
    const fresh = uuid();
    globalThis.sessionStorage.setItem(key, fresh);
    return fresh;
  } catch {
    return uuid();
  }
}
