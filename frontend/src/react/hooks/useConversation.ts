import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { Conversation, type ConversationOptions, conversationId, type Snapshot } from '../../core/index.ts';

export interface UseConversationOptions extends Omit<ConversationOptions, 'trackId' | 'actions'> {
  /** Default: an id that this tab keeps over reloads. */
  trackId?: string | undefined;
  actions?: ConversationOptions['actions'];
  /** Ask the server what it still knows of this conversation; default true. */
  resume?: boolean;
}

const EMPTY: Snapshot = { messages: [], running: null };
const nothing = () => () => {};
const empty = () => EMPTY;

/**
 * A conversation that lives as long as the component, and leaves the server's work alone when it goes.
 * Only `client`, `mode` and `trackId` begin a new one; context and actions are read when they are needed.
 */
export function useConversation(options: UseConversationOptions): [Conversation | null, Snapshot] {
  const latest = useRef(options);
  latest.current = options;
  const [conversation, setConversation] = useState<Conversation | null>(null);
  const { client, mode, trackId, resume = true } = options;

  useEffect(() => {
    const { context: _context, actions: _actions, ...rest } = latest.current;
    const chat = new Conversation({
      ...rest,
      client,
      ...(mode === undefined ? {} : { mode }),
      trackId: trackId ?? conversationId(),
      context: () => current(latest.current.context) ?? {},
      actions: () => current(latest.current.actions) ?? {},
    });
    setConversation(chat);
    const leaving = new AbortController();
    // Nothing to bring back is no reason to trouble the reader: the next send tells what is wrong.
    if (resume) chat.resume(leaving.signal).catch(() => {});
    return () => {
      leaving.abort();
      chat.detach();
    };
  }, [client, mode, trackId, resume]);

  const snapshot = useSyncExternalStore(
    conversation?.subscribe ?? nothing,
    conversation?.getSnapshot ?? empty,
    empty,
  );
  return [conversation, snapshot];
}

function current<T extends object>(given: T | (() => T) | undefined): T | undefined {
  return typeof given === 'function' ? (given as () => T)() : given;
}
