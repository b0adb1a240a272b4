import { useSyncExternalStore } from 'react';
import type { AnswerMessage } from '../../core/index.ts';
import { useStrings } from '../i18n/context.ts';
import type { Strings } from '../i18n/en.ts';
import { IconButton } from './IconButton.tsx';

export interface HeaderProps {
  title: string;
  answer: AnswerMessage | undefined;
  /** Absent where the page says which conversation this is. */
  onNew?: (() => void) | undefined;
  onDevtools?: (() => void) | undefined;
}

/** What this window is, how its connection is, and what concerns the conversation as a whole. */
export function Header({ title, answer, onNew, onDevtools }: HeaderProps) {
  const strings = useStrings();
  const connection = useConnection(answer);
  return (
    <header className="assistant-header" part="header">
      <strong>{title}</strong>
      <span className="assistant-connection" part="connection" data-connection={connection}>
        {strings.connection[connection]}
      </span>
      <span className="assistant-space" />
      {onDevtools ? <IconButton icon="devtools" label={strings.devtools} onClick={onDevtools} /> : null}
      {onNew ? <IconButton icon="add" label={strings.newConversation} onClick={onNew} /> : null}
    </header>
  );
}

type Connection = keyof Strings['connection'];

/** A stream is open only while an answer is made; between answers there is nothing that could be lost. */
function useConnection(answer: AnswerMessage | undefined): Connection {
  const online = useSyncExternalStore(onNetwork, isOnline, () => true);
  if (!online) return 'offline';
  switch (answer?.state) {
    case 'sending':
      return 'connecting';
    case 'waiting':
    case 'streaming':
    case 'stopping':
      return 'live';
    case 'reconnecting':
      return 'reconnecting';
    default:
      return answer?.error?.kind === 'network' ? 'lost' : 'ready';
  }
}

const isOnline = () => navigator.onLine;

function onNetwork(listener: () => void): () => void {
  addEventListener('online', listener);
  addEventListener('offline', listener);
  return () => {
    removeEventListener('online', listener);
    removeEventListener('offline', listener);
  };
}
