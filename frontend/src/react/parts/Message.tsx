import { memo, useState } from 'react';
import { type AnswerMessage, isOver, type Mode, type Part, type UserMessage } from '../../core/index.ts';
import { useStrings } from '../i18n/context.ts';
import { Markdown } from '../markdown/Markdown.tsx';
import { ActionCard, type ActionCardProps } from './ActionCard.tsx';
import { Appendix } from './Appendix.tsx';
import { CopyButton } from './CopyButton.tsx';
import { ErrorNote } from './ErrorNote.tsx';
import { Icon } from './Icon.tsx';
import { IconButton } from './IconButton.tsx';
import { SUGGEST } from './Suggestions.tsx';

export interface MessageActions {
  onRetry: (key: string) => void;
  /** Takes the prompt of this answer, or this prompt, back into the composer. */
  onEdit: (key: string) => void;
  onReconnect: () => void;
  onAnswer: ActionCardProps['onAnswer'];
  onSignIn?: (() => void) | undefined;
}

export interface UserViewProps {
  message: UserMessage;
  /** The mode that need not be told. */
  usualMode: Mode;
  onEdit: (key: string) => void;
}

export const UserView = memo(({ message, usualMode, onEdit }: UserViewProps) => {
  const strings = useStrings();
  const { key, text, mode, content } = message;
  return (
    <article className="assistant-message" part="message user" data-role="user" aria-label={strings.you}>
      <p className="assistant-prompt" part="bubble" dir="auto">
        {text}
      </p>
      {content ? (
        <details className="assistant-document">
          <summary>{strings.document}</summary>
          <pre dir="auto">{content}</pre>
        </details>
      ) : null}
      <div className="assistant-tools">
        <IconButton icon="edit" label={strings.edit} onClick={() => onEdit(key)} />
        {mode && mode !== usualMode ? <small>{strings.modes[mode] ?? mode}</small> : null}
      </div>
    </article>
  );
});

export interface AnswerViewProps {
  answer: AnswerMessage;
  images: readonly string[];
  actions: MessageActions;
}

export const AnswerView = memo(({ answer, images, actions }: AnswerViewProps) => {
  const strings = useStrings();
  const over = isOver(answer.state);
  return (
    <article
      className="assistant-message"
      part="message answer"
      data-role="assistant"
      data-state={answer.state}
      data-request-id={answer.requestId ?? undefined}
      aria-label={strings.assistant}
      aria-busy={!over}
    >
      <Reasoning parts={answer.parts} complete={over} images={images} />
      {answer.text ? <Markdown text={answer.text} complete={over} images={images} /> : null}
      {appendices(answer.parts).map((part) => (
        <Appendix key={part.index} part={part} complete={over} images={images} />
      ))}
      {answer.actions
        .filter(({ name }) => name !== SUGGEST)
        .map((action) => (
          <ActionCard key={action.action_id} action={action} over={over} onAnswer={actions.onAnswer} />
        ))}
      {answer.state === 'complete' && !answer.parts.length && !answer.actions.length ? (
        <p className="assistant-note">{strings.noText}</p>
      ) : null}
      {answer.state === 'cancelled' ? (
        <p className="assistant-note">
          <Icon name="stop" />
          {strings.stopped}
        </p>
      ) : null}
      {answer.error ? (
        <ErrorNote
          answer={answer}
          error={answer.error}
          onRetry={() => actions.onRetry(answer.key)}
          onEdit={() => actions.onEdit(answer.key)}
          onReconnect={actions.onReconnect}
          onSignIn={actions.onSignIn}
        />
      ) : null}
      {over ? <Tools answer={answer} onRetry={() => actions.onRetry(answer.key)} /> : null}
    </article>
  );
});

/** Closed by default, so that its growth moves nothing. */
function Reasoning({
  parts,
  complete,
  images,
}: {
  parts: readonly Part[];
  complete: boolean;
  images: readonly string[];
}) {
  const strings = useStrings();
  const text = parts.map(({ part, text }) => (part === 'reasoning' ? text : '')).join('');
  if (!text) return null;
  return (
    <details className="assistant-reasoning" part="reasoning">
      <summary>{strings.reasoning}</summary>
      <Markdown text={text} complete={complete} images={images} />
    </details>
  );
}

function Tools({ answer, onRetry }: { answer: AnswerMessage; onRetry: () => void }) {
  const strings = useStrings();
  const [open, setOpen] = useState(false);
  const { text, error, requestId } = answer;
  return (
    <>
      <div className="assistant-tools">
        {text ? <CopyButton text={text} label={strings.copy} /> : null}
        {error ? null : <IconButton icon="retry" label={strings.retry} onClick={onRetry} />}
        {requestId ? (
          <IconButton icon="info" label={strings.details} expanded={open} onClick={() => setOpen(!open)} />
        ) : null}
      </div>
      {open && requestId ? <Facts answer={answer} id={requestId} /> : null}
    </>
  );
}

function Facts({ answer: { complete }, id }: { answer: AnswerMessage; id: string }) {
  const strings = useStrings();
  const seconds = complete?.timings?.total;
  const tokens = complete?.usage?.output_tokens;
  const facts: [string, string | undefined | false | null][] = [
    [strings.model, complete?.model],
    [strings.took, typeof seconds === 'number' && strings.seconds(seconds)],
    [strings.tokens, tokens ? String(tokens) : null],
  ];
  return (
    <dl className="assistant-facts" part="details">
      <dt>{strings.requestId}</dt>
      <dd>
        <code>{id}</code> <CopyButton text={id} label={strings.copyId} />
      </dd>
      {facts.map(([name, value]) =>
        value ? (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ) : null,
      )}
    </dl>
  );
}

function appendices(parts: readonly Part[]): readonly Part[] {
  return parts.filter(({ part }) => part !== 'text' && part !== 'reasoning');
}
