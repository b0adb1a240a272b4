import type { AnswerMessage } from '../../core/index.ts';
import { useStrings } from '../i18n/context.ts';
import type { Strings } from '../i18n/en.ts';

/** What a screen reader is told: whole sentences at the turns of an answer, never its stream. */
export function StatusLine({ answer }: { answer: AnswerMessage | undefined }) {
  const strings = useStrings();
  return (
    <div role="status" className="assistant-hidden">
      {answer ? sentence(answer, strings) : ''}
    </div>
  );
}

function sentence({ state, error, text }: AnswerMessage, strings: Strings): string {
  switch (state) {
    case 'sending':
      return strings.sending;
    case 'waiting':
    case 'streaming':
      return strings.waiting;
    case 'reconnecting':
      return strings.lost;
    case 'stopping':
      return strings.stopping;
    case 'cancelled':
      return strings.stopped;
    case 'complete':
      return strings.complete(wordsOf(text));
    case 'error':
      return error ? strings.errors[error.kind] : strings.failed;
  }
}

function wordsOf(text: string): number {
  return text.trim() === '' ? 0 : text.trim().split(/\s+/).length;
}
