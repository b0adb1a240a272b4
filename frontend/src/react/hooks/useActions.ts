import { useCallback, useRef } from 'react';
import type { ActionHandlers, ConversationOptions } from '../../core/index.ts';
import { SUGGEST } from '../parts/Suggestions.tsx';

type Given = ConversationOptions['actions'];

/** The page's actions and the window's own; a page that has one of the same name keeps it. */
export function useActions(given: Given, suggestions: boolean): () => ActionHandlers {
  const latest = useRef(given);
  latest.current = given;
  return useCallback(() => {
    const actions = typeof latest.current === 'function' ? latest.current() : (latest.current ?? {});
    // Showing them is all there is to do, and the window does it once they are proposed.
    return suggestions ? { [SUGGEST]: () => undefined, ...actions } : actions;
  }, [suggestions]);
}
