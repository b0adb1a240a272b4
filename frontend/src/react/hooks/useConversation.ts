import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import {
  Conversation,
  type ConversationOptions,
  conversationId,
  newConversationId,
  type Snapshot,
} from '../../core/index.ts';

export interface UseConversationOptions extends Omit<ConversationOptions, 'trackId' | 'actions'> {
  /** Default: an id that this tab keeps over reloads. */
  trackId?: string | undefined;
  actions?: ConversationOptions['actions'];
  /** Ask the server what it still knows of this conversation; default true. */
  resume?: boolean;
}

export interface ConversationHandle {
  /** Null until the component has been mounted. */
  conversation: Conversation | null;
  snapshot: Snapshot;
  /** Stops what runs and begins anew, under another id; for a window that was given none. */
  renew: () => void;
}

const EMPTY: Snapshot = { messages: [], running: null };
const nothing = () => () => {};
const empty = () => EMPTY;

/**
 * A conversation that lives as long as the component, and leaves the server's work alone when it goes.
 * Only `client`, `mode` and `trackId` begin a new one; context and actions are read when they are needed.
 */
export function useConversation(options: UseConversationOptions): ConversationHandle {
  const latest = useRef(options);
  latest.current = options;
  const [conversation, setConversation] = useState<Conversation | null>(null);
  const [renewed, setRenewed] = useState(0);
  const { client, mode, trackId, resume = true } = options;

  useEffect(() => {
    const { context: _context, actions: _actions, messages, ...rest } = latest.current;
    const chat = new Conversation({
      ...rest,
      client,
      ...(mode === undefined ? {} : { mode }),
      // What the page had stored belongs to the conversation that was left.
      ...(renewed > 0 || messages === undefined ? {} : { messages }),
      trackId: trackId ?? conversationId(),
      context: () => current(latest.current.context) ?? {},
      actions: () => current(latest.current.actions) ?? {},
    });
    setConversation(chat);
    const leaving = new AbortController();
    // Nothing to bring back is no reason to trouble the reader: the next send tells what is wrong.
    if (resume && renewed === 0) chat.resume(leaving.signal).catch(() => {});
    return () => {
      leaving.abort();
      chat.detach();
    };
  }, [client, mode, trackId, resume, renewed]);

  const renew = useCallback(() => {
    conversation?.stop();
    newConversationId();
    setRenewed((count) => count + 1);
  }, [conversation]);
  const snapshot = useSyncExternalStore(
    conversation?.subscribe ?? nothing,
    conversation?.getSnapshot ?? empty,
    empty,
  );
  return { conversation, snapshot, renew };
}

function current<T extends object>(given: T | (() => T) | undefined): T | undefined {
  return typeof given === 'function' ? (given as () => T)() : given;
}
