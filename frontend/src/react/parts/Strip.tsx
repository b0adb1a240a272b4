import { type AnswerMessage, isOver, type StageData } from '../../core/index.ts';
import { useLasting } from '../hooks/useLasting.ts';
import { useStrings } from '../i18n/context.ts';

/** ms; most drops are mended before anyone need know. */
const QUIET = 1_500;

/**
 * The line between the log and the composer: what is being done, or that the connection is lost. It has its
 * room at all times and is no part of what scrolls, so nothing moves when it comes, changes or goes.
 */
export function Strip({ answer, onRetry }: { answer: AnswerMessage | undefined; onRetry: () => void }) {
  const lost = useLasting(answer?.state === 'reconnecting', QUIET);
  return (
    <div className="assistant-strip">
      {!answer || isOver(answer.state) ? null : lost ? (
        <Banner tries={answer.tries} onRetry={onRetry} />
      ) : (
        <Working answer={answer} />
      )}
    </div>
  );
}

/** Told only of a drop that lasts. */
function Banner({ tries, onRetry }: { tries: number; onRetry: () => void }) {
  const strings = useStrings();
  return (
    <div className="assistant-banner" part="banner">
      <i className="assistant-spinner" aria-hidden="true" />
      <span>{strings.reconnecting(Math.max(1, tries))}</span>
      <button type="button" onClick={onRetry}>
        {strings.retryNow}
      </button>
    </div>
  );
}

/** That something is being made, and what; from the send to the last event. */
function Working({ answer: { state, stages, actions } }: { answer: AnswerMessage }) {
  const strings = useStrings();
  const stage = stages.findLast((one) => one.state === 'started');
  const asked = actions.some(({ phase, wants }) => phase === 'proposed' && wants === 'approval');
  const own =
    state === 'sending' || state === 'stopping' ? strings[state] : asked ? strings.deciding : undefined;
  return (
    <p className="assistant-working" part="working">
      <span className="assistant-dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      {own ?? (stage?.label || strings.waiting)}
      {!own && stage ? <Progress stage={stage} /> : null}
    </p>
  );
}

/** How far a stage is, or which of how many it is. */
function Progress({ stage: { index, total, progress } }: { stage: StageData }) {
  if (typeof progress === 'number') return <small>{Math.round(progress * 100)} %</small>;
  return index && total && total > 1 ? (
    <small>
      {index} / {total}
    </small>
  ) : null;
}
