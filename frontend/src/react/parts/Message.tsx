import { memo, type ReactNode } from 'react';
import { type AnswerMessage, isOver, type Part, type UserMessage } from '../../core/index.ts';
import { useStrings } from '../i18n/context.ts';
import { Markdown } from '../markdown/Markdown.tsx';
import { ActionCard, type ActionCardProps } from './ActionCard.tsx';
import { Appendix } from './Appendix.tsx';
import { CopyButton } from './CopyButton.tsx';
import { ErrorNote } from './ErrorNote.tsx';

export interface MessageActions {
  onRetry: (key: string) => void;
  /** Takes the prompt of this answer, or this prompt, back into the composer. */
  onEdit: (key: string) => void;
  onReconnect: () => void;
  onAnswer: ActionCardProps['onAnswer'];
  onSignIn?: (() => void) | undefined;
}

export const UserView = memo(
  ({ message, onEdit }: { message: UserMessage; onEdit: (key: string) => void }) => {
    const strings = useStrings();
    return (
      <article className="assistant-message" part="message user" data-role="user" aria-label={strings.you}>
        <p className="assistant-prompt" dir="auto">
          {message.text}
        </p>
        <div className="assistant-tools">
          <button type="button" onClick={() => onEdit(message.key)}>
            {strings.edit}
          </button>
        </div>
      </article>
    );
  },
);

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
      {answer.actions.map((action) => (
        <ActionCard key={action.action_id} action={action} onAnswer={actions.onAnswer} />
      ))}
      {over ? null : <Working answer={answer} />}
      {answer.state === 'cancelled' ? <p className="assistant-note">{strings.stopped}</p> : null}
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

/** That something is being made, and what; from the send to the last event. */
function Working({ answer }: { answer: AnswerMessage }) {
  const strings = useStrings();
  const stage = answer.stages.findLast(({ state }) => state === 'started');
  const label =
    answer.state === 'sending'
      ? strings.sending
      : answer.state === 'stopping'
        ? strings.stopping
        : stage?.label;
  return (
    <p className="assistant-working" part="working">
      <span className="assistant-dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      {label || strings.waiting}
    </p>
  );
}

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
  return (
    <div className="assistant-tools">
      {answer.text ? <CopyButton text={answer.text} label={strings.copy} /> : null}
      {answer.state === 'cancelled' ? (
        <button type="button" onClick={onRetry}>
          {strings.retry}
        </button>
      ) : null}
      {answer.requestId ? (
        <details className="assistant-details">
          <summary>{strings.details}</summary>
          <Facts answer={answer} id={answer.requestId} />
        </details>
      ) : null}
    </div>
  );
}

function Facts({ answer, id }: { answer: AnswerMessage; id: string }): ReactNode {
  const strings = useStrings();
  return (
    <dl>
      <dt>{strings.requestId}</dt>
      <dd>
        <code>{id}</code> <CopyButton text={id} label={strings.copyId} />
      </dd>
      {answer.complete?.model ? (
        <>
          <dt>{strings.model}</dt>
          <dd>{answer.complete.model}</dd>
        </>
      ) : null}
    </dl>
  );
}

function appendices(parts: readonly Part[]): readonly Part[] {
  return parts.filter(({ part }) => part !== 'text' && part !== 'reasoning');
}
