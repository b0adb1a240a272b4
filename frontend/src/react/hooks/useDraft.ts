import { useCallback, useState } from 'react';
import type { Conversation, Message, Mode } from '../../core/index.ts';
import type { Example } from '../parts/EmptyState.tsx';

export interface Draft {
  text: string;
  setText: (text: string) => void;
  mode: Mode;
  /** The text to edit, in that mode. */
  content: string;
  setContent: (content: string) => void;
  /** True while the draft is to replace an earlier message. */
  editing: boolean;
  send: () => void;
  /** Takes the prompt with this key, or of the answer with this key, back. */
  edit: (key: string) => void;
  /** Sends a prompt that was offered. */
  pick: (example: Example) => void;
  clear: () => void;
}

/** What is being written, and what it is to become. */
export function useDraft(
  conversation: Conversation | null,
  mode: Mode,
  setMode: (mode: Mode) => void,
): Draft {
  const [text, setText] = useState('');
  const [content, setContent] = useState('');
  const [editing, setEditing] = useState<string | null>(null);

  const clear = useCallback(() => {
    setText('');
    setEditing(null);
  }, []);
  const send = () => {
    const given = mode === 'edit' && content ? { mode, content } : { mode };
    const sent = editing ? conversation?.edit(editing, text, given) : conversation?.send(text, given);
    if (sent) clear();
  };
  const edit = useCallback(
    (key: string) => {
      const prompt = promptOf(conversation?.getSnapshot().messages ?? [], key);
      if (prompt?.role !== 'user') return;
      setEditing(prompt.key);
      setText(prompt.text);
      if (prompt.mode) setMode(prompt.mode);
      if (prompt.content) setContent(prompt.content);
    },
    [conversation, setMode],
  );
  const pick = useCallback(
    (example: Example) => {
      const chosen = example.mode ?? mode;
      setMode(chosen);
      if (example.content) setContent(example.content);
      conversation?.send(example.prompt, { ...example, mode: chosen });
    },
    [conversation, mode, setMode],
  );
  return { text, setText, mode, content, setContent, editing: editing !== null, send, edit, pick, clear };
}

/** The prompt with this key, or the one that the answer with this key belongs to. */
function promptOf(messages: readonly Message[], key: string): Message | undefined {
  const at = messages.findIndex((message) => message.key === key);
  return messages.slice(0, at + 1).findLast((message) => message.role === 'user');
}
