import { type AnswerMessage, type AssistantError, canReconnect, type ErrorKind } from '../../core/index.ts';
import { useCountdown } from '../hooks/useCountdown.ts';
import { useStrings } from '../i18n/context.ts';
import { CopyButton } from './CopyButton.tsx';
import { Icon } from './Icon.tsx';

export interface ErrorActions {
  onRetry: () => void;
  onEdit: () => void;
  onReconnect: () => void;
  onSignIn?: (() => void) | undefined;
}

/** What went wrong, in the words of its kind, with what can be done about it. */
export function ErrorNote({
  answer,
  error,
  ...actions
}: ErrorActions & { answer: AnswerMessage; error: AssistantError }) {
  const strings = useStrings();
  const seconds = useCountdown(error, error.retryAfter ?? 0);
  return (
    <div className="assistant-error" part="error" data-kind={error.kind} data-code={error.code}>
      <Icon name="alert" />
      <div>
        <p>{strings.errors[error.kind]}</p>
        {/* Only a message that has to be changed needs to be told what is wrong with it. */}
        {error.kind === 'invalid' ? <p className="assistant-reason">{error.message}</p> : null}
        {seconds > 0 ? <p className="assistant-countdown">{strings.tryIn(seconds)}</p> : null}
        <div className="assistant-buttons">
          <Offer answer={answer} kind={error.kind} waiting={seconds > 0} {...actions} />
          {error.kind === 'failed' && answer.requestId ? (
            <CopyButton text={answer.requestId} label={strings.copyId} words />
          ) : null}
        </div>
      </div>
    </div>
  );
}

interface OfferProps extends ErrorActions {
  answer: AnswerMessage;
  kind: ErrorKind;
  waiting: boolean;
}

function Offer({ answer, kind, waiting, onRetry, onEdit, onReconnect, onSignIn }: OfferProps) {
  const strings = useStrings();
  const button = (label: string, act: () => void, disabled = false) => (
    <button type="button" onClick={act} disabled={disabled}>
      {label}
    </button>
  );
  if (canReconnect(answer)) return button(strings.reconnect, onReconnect);
  if (kind === 'invalid') return button(strings.edit, onEdit);
  if (kind === 'auth') return onSignIn ? button(strings.signIn, onSignIn) : button(strings.retry, onRetry);
  if (kind === 'gone') return button(strings.sendAgain, onRetry);
  return button(strings.retry, onRetry, waiting);
}
