import { uuid } from './ids.ts';

const KEY = 'assistant-conversation';

/**
 * The conversation id of a window that was given none. It survives a reload of its tab and nothing
 * else; a page that may not store things gets a new one each time.
 */
export function conversationId(key: string = KEY): string {
  try {
    return globalThis.sessionStorage.getItem(key) ?? newConversationId(key);
  } catch {
    return uuid();
  }
}

/** Another one in its place: what was said is no longer part of what this tab shows. */
export function newConversationId(key: string = KEY): string {
  const id = uuid();
  try {
    globalThis.sessionStorage.setItem(key, id);
  } catch {
    // It lives as long as the page then.
  }
  return id;
}
