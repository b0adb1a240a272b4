import { type RefObject, useCallback, useImperativeHandle, useMemo, useRef, useState } from 'react';
import type { Message, Mode } from '../core/index.ts';
import { useActions } from './hooks/useActions.ts';
import { type UseConversationOptions, useConversation } from './hooks/useConversation.ts';
import { useDraft } from './hooks/useDraft.ts';
import { type Notifications, useNotify } from './hooks/useNotify.ts';
import { StringsContext, stringsOf } from './i18n/context.ts';
import type { Strings } from './i18n/en.ts';
import { Composer } from './parts/Composer.tsx';
import { EmptyState, type Example } from './parts/EmptyState.tsx';
import { Header } from './parts/Header.tsx';
import { Log } from './parts/Log.tsx';
import { StatusLine } from './parts/StatusLine.tsx';
import { Strip } from './parts/Strip.tsx';

/** What a page can do to a window. */
export interface ChatControls {
  /** False when the text is empty or an answer is still being made. */
  send(text: string): boolean;
  stop(): void;
  focusInput(): void;
}

export interface ChatWindowProps extends UseConversationOptions, Notifications {
  /** Title of the window, also for screen readers. */
  label?: string | undefined;
  theme?: 'light' | 'dark' | 'auto' | undefined;
  /** Whether title and connection are shown above; default true. */
  header?: boolean | undefined;
  strings?: Partial<Strings> | undefined;
  /** Modes that a person may choose from, the first of them at the beginning; default: `mode` alone. */
  modes?: readonly Mode[] | undefined;
  /** Prompts to begin with; default: those of `strings` for the modes there are. */
  examples?: readonly Example[] | undefined;
  /** Whether the assistant may propose what to ask next (the action `suggest_prompts`); default true. */
  suggestions?: boolean | undefined;
  /** Origins that images in answers may be loaded from; none by default. */
  images?: readonly string[];
  /** Offered when the server wants a sign-in. */
  onSignIn?: (() => void) | undefined;
  /** Offered in the header; for those who want to see what happens on the wire. */
  onDevtools?: (() => void) | undefined;
  controls?: RefObject<ChatControls | null>;
}

const NO_IMAGES: readonly string[] = [];

export function ChatWindow(props: ChatWindowProps) {
  const { label, theme = 'auto', header = true, strings: given, images = NO_IMAGES, controls } = props;
  const strings = useMemo(() => stringsOf(given), [given]);
  const modes = useModes(props.mode, props.modes);
  const actions = useActions(props.actions, props.suggestions ?? true);
  const { conversation, snapshot, renew } = useConversation({ ...props, mode: modes[0] ?? 'chat', actions });
  useNotify(snapshot, props);
  const { messages, running } = snapshot;
  const frame = useRef<HTMLElement>(null);
  const input = useRef<HTMLTextAreaElement>(null);
  const [mode, setMode] = useState(modes[0] ?? 'chat');
  const draft = useDraft(conversation, modes.includes(mode) ? mode : (modes[0] ?? 'chat'), setMode);
  const examples = useMemo(
    () => props.examples ?? strings.examples.filter((one) => !one.mode || modes.includes(one.mode)),
    [props.examples, strings, modes],
  );

  const stop = useCallback(() => conversation?.stop(), [conversation]);
  const begin = () => {
    renew();
    draft.clear();
    input.current?.focus();
  };
  const { onSignIn } = props;
  const { edit, pick } = draft;
  const messageActions = useMemo(
    () => ({
      onRetry: (key: string) => {
        conversation?.retry(key);
        // The button goes with the answer it stood under; the keys still belong to this window.
        frame.current?.focus({ preventScroll: true });
      },
      onEdit: edit,
      onReconnect: () => conversation?.reconnect(),
      onAnswer: (id: string, approved: boolean) =>
        conversation?.answer(id, approved) ?? Promise.resolve(false),
      onPick: (prompt: string) => pick({ prompt }),
      onSignIn,
    }),
    [conversation, edit, pick, onSignIn],
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

  const answer = messages.findLast((message) => message.role === 'assistant');
  const title = label ?? strings.title;
  return (
    <StringsContext.Provider value={strings}>
      <section
        ref={frame}
        tabIndex={-1}
        className="assistant-chat"
        part="chat"
        data-theme={theme}
        aria-label={title}
        onKeyDown={(event) => {
          if (event.key !== 'Escape' || event.nativeEvent.isComposing) return;
          if (running) stop();
          else if (draft.editing) draft.clear();
        }}
      >
        {header ? (
          <Header
            title={title}
            answer={answer}
            onNew={canRenew(props.trackId, messages) ? begin : undefined}
            onDevtools={props.onDevtools}
          />
        ) : null}
        <Log
          messages={messages}
          images={images}
          usualMode={modes[0] ?? 'chat'}
          actions={messageActions}
          empty={<EmptyState examples={examples} onPick={pick} />}
        />
        <Strip answer={answer} onRetry={() => conversation?.retryNow()} />
        <StatusLine answer={answer} />
        <Composer
          draft={draft.text}
          onDraft={draft.setText}
          mode={draft.mode}
          modes={modes}
          onMode={setMode}
          content={draft.mode === 'edit' && !hasContent(props.context) ? draft.content : undefined}
          onContent={draft.setContent}
          running={running !== null}
          editing={draft.editing}
          onSend={draft.send}
          onStop={stop}
          onEditLast={() => edit(messages.at(-1)?.key ?? '')}
          onCancelEdit={draft.clear}
          input={input}
        />
      </section>
    </StringsContext.Provider>
  );
}

/** A page that names the conversation decides itself when another begins. */
function canRenew(trackId: string | undefined, messages: readonly Message[]): boolean {
  return trackId === undefined && messages.length > 0;
}

/** The same list while the names are the same, however often a page makes it anew. */
function useModes(mode: Mode | undefined, modes: readonly Mode[] | undefined): readonly Mode[] {
  const names = (modes?.length ? modes : [mode ?? 'chat']).join(' ');
  return useMemo(() => names.split(' '), [names]);
}

/** True where the page says itself what is edited. */
function hasContent(context: ChatWindowProps['context']): boolean {
  const given = typeof context === 'function' ? context() : context;
  return given?.content !== undefined;
}
