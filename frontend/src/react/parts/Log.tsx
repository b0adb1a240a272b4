import { type ReactNode, useState } from 'react';
import { isOver, type Message, type Mode } from '../../core/index.ts';
import { useStrings } from '../i18n/context.ts';
import { useStickToEnd } from '../scroll/useStickToEnd.ts';
import { JumpButton } from './JumpButton.tsx';
import { AnswerView, type MessageActions, UserView } from './Message.tsx';
import { Suggestions } from './Suggestions.tsx';

/** Messages shown at first, and by each "Show earlier". */
const WINDOW = 60;

export interface LogProps {
  messages: readonly Message[];
  images: readonly string[];
  /** The mode that need not be told. */
  usualMode: Mode;
  actions: MessageActions & { onPick: (prompt: string) => void };
  /** Shown while there are no messages. */
  empty: ReactNode;
}

/**
 * The conversation. `aria-live` is off: a stream read aloud word by word is noise, the status line
 * tells what a listener needs.
 */
export function Log({ messages, images, usualMode, actions, empty }: LogProps) {
  const strings = useStrings();
  const { box, content, pinned, pin } = useStickToEnd();
  const [limit, setLimit] = useState(WINDOW);
  const shown = messages.slice(-limit);
  const last = messages.at(-1);
  return (
    <div className="assistant-scroll">
      <div
        className="assistant-box"
        part="log"
        data-pinned={pinned}
        role="log"
        aria-live="off"
        aria-label={strings.log}
        ref={box}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
        tabIndex={0}
      >
        {messages.length === 0 ? empty : null}
        <div className="assistant-content" ref={content}>
          {shown.length < messages.length ? (
            <button type="button" className="assistant-earlier" onClick={() => setLimit(limit + WINDOW)}>
              {strings.earlier}
            </button>
          ) : null}
          {shown.map((message) =>
            message.role === 'user' ? (
              <UserView key={message.key} message={message} usualMode={usualMode} onEdit={actions.onEdit} />
            ) : (
              <AnswerView key={message.key} answer={message} images={images} actions={actions} />
            ),
          )}
          {last?.role === 'assistant' && isOver(last.state) ? (
            <Suggestions answer={last} onPick={actions.onPick} />
          ) : null}
        </div>
        {pinned ? null : <JumpButton onJump={pin} />}
      </div>
    </div>
  );
}
