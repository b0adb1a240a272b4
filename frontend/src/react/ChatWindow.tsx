import { type RefObject, useCallback, useImperativeHandle, useMemo, useRef, useState } from 'react';
import type { Message } from '../core/index.ts';
import { type UseConversationOptions, useConversation } from './hooks/useConversation.ts';
import { type Notifications, useNotify } from './hooks/useNotify.ts';
import { StringsContext, stringsOf } from './i18n/context.ts';
import type { Strings } from './i18n/en.ts';
import { Banner } from './parts/Banner.tsx';
import { Composer } from './parts/Composer.tsx';
import { Log } from './parts/Log.tsx';
import type { MessageActions } from './parts/Message.tsx';
import { StatusLine } from './parts/StatusLine.tsx';

/** What a page can do to a window. */
export interface ChatControls {
  /** False when the text is empty or an answer is still being made. */
  send(text: string): boolean;
  stop(): void;
  focusInput(): void;
}

export interface ChatWindowProps extends UseConversationOptions, Notifications {
  /** Name of the window for screen readers. */
  label?: string | undefined;
  theme?: 'light' | 'dark' | 'auto' | undefined;
  strings?: Partial<Strings> | undefined;
  /** Origins that images in answers may be loaded from; none by default. */
  images?: readonly string[];
  /** Offered when the server wants a sign-in. */
  onSignIn?: (() => void) | undefined;
  controls?: RefObject<ChatControls | null>;
}

const NO_IMAGES: readonly string[] = [];

export function ChatWindow(props: ChatWindowProps) {
  const { label, theme = 'auto', strings: given, images = NO_IMAGES, onSignIn, controls } = props;
  const strings = useMemo(() => stringsOf(given), [given]);
  const [conversation, snapshot] = useConversation(props);
  useNotify(snapshot, props);
  const { messages, running } = snapshot;
  const [draft, setDraft] = useState('');
  const [editing, setEditing] = useState<string | null>(null);
  const input = useRef<HTMLTextAreaElement>(null);

  const stop = useCallback(() => conversation?.stop(), [conversation]);
  const send = () => {
    const sent = editing ? conversation?.edit(editing, draft) : conversation?.send(draft);
    if (!sent) return;
    setDraft('');
    setEditing(null);
  };
  const edit = useCallback(
    (key: string) => {
      const prompt = promptOf(conversation?.getSnapshot().messages ?? [], key);
      if (prompt?.role !== 'user') return;
      setEditing(prompt.key);
      setDraft(prompt.text);
    },
    [conversation],
  );
  const cancelEdit = () => {
    setEditing(null);
    setDraft('');
  };
  const actions = useMemo<MessageActions>(
    () => ({
      onRetry: (key) => conversation?.retry(key),
      onEdit: edit,
      onReconnect: () => conversation?.reconnect(),
      onAnswer: (id, approved) => conversation?.answer(id, approved) ?? Promise.resolve(false),
      onSignIn,
    }),
    [conversation, edit, onSignIn],
  );
  useImperativeHandle(
    controls,
    () => ({
      send: (text) => conversation?.send(text) ?? false,
      stop,
      focusInput: () => input.current?.focus(),
    }),
    [conversation, stop],
  );

  const current = messages.findLast((message) => message.role === 'assistant');
  return (
    <StringsContext.Provider value={strings}>
      <section
        className="assistant-chat"
        part="chat"
        data-theme={theme}
        aria-label={label ?? strings.title}
        onKeyDown={(event) => {
          if (event.key !== 'Escape' || event.nativeEvent.isComposing) return;
          if (running) stop();
          else if (editing) cancelEdit();
        }}
      >
        <Log messages={messages} images={images} actions={actions} />
        <Banner answer={current} onRetry={() => conversation?.retryNow()} />
        <StatusLine answer={current} />
        <Composer
          draft={draft}
          onDraft={setDraft}
          running={running !== null}
          editing={editing !== null}
          onSend={send}
          onStop={stop}
          onEditLast={() => edit(messages.at(-1)?.key ?? '')}
          onCancelEdit={cancelEdit}
          input={input}
        />
      </section>
    </StringsContext.Provider>
  );
}

/** The prompt with this key, or the one that the answer with this key belongs to. */
function promptOf(messages: readonly Message[], key: string): Message | undefined {
  const at = messages.findIndex((message) => message.key === key);
  return messages.slice(0, at + 1).findLast((message) => message.role === 'user');
}
