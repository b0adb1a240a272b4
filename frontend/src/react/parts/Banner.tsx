import type { AnswerMessage } from '../../core/index.ts';
import { useLasting } from '../hooks/useLasting.ts';
import { useStrings } from '../i18n/context.ts';

/** ms; most drops are mended before anyone need know. */
const QUIET = 1_500;

/** Told only of a drop that lasts. */
export function Banner({ answer, onRetry }: { answer: AnswerMessage | undefined; onRetry: () => void }) {
  const strings = useStrings();
  const shown = useLasting(answer?.state === 'reconnecting', QUIET);
  if (!shown || !answer) return null;
  return (
    <div className="assistant-banner" part="banner">
      <i className="assistant-spinner" aria-hidden="true" />
      <span>{strings.reconnecting(Math.max(1, answer.tries))}</span>
      <button type="button" onClick={onRetry}>
        {strings.retryNow}
      </button>
    </div>
  );
}
