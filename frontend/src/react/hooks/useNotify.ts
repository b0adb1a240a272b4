import { useEffect, useRef } from 'react';
import {
  type ActionData,
  type AnswerMessage,
  type AnswerState,
  type AssistantError,
  isOver,
  type Snapshot,
} from '../../core/index.ts';

/** What a page may want to hear of. */
export interface Notifications {
  /** An answer has ended, whole or cancelled. */
  onMessage?: ((answer: AnswerMessage) => void) | undefined;
  onError?: ((error: AssistantError, answer: AnswerMessage) => void) | undefined;
  /** An action was proposed, claimed, resolved or expired. */
  onAction?: ((action: ActionData, answer: AnswerMessage) => void) | undefined;
  onState?: ((state: AnswerState, answer: AnswerMessage) => void) | undefined;
}

/** Tells what changed from one snapshot to the next. */
export function useNotify({ messages }: Snapshot, notifications: Notifications): void {
  const before = useRef(new Map<string, AnswerMessage>());
  const latest = useRef(notifications);
  latest.current = notifications;
  useEffect(() => {
    const answers = messages.filter((message) => message.role === 'assistant');
    for (const answer of answers) tell(before.current.get(answer.key), answer, latest.current);
    before.current = new Map(answers.map((answer) => [answer.key, answer]));
  }, [messages]);
}

function tell(before: AnswerMessage | undefined, answer: AnswerMessage, to: Notifications): void {
  if (before === answer) return;
  for (const action of answer.actions) if (!before?.actions.includes(action)) to.onAction?.(action, answer);
  if (before?.state === answer.state) return;
  to.onState?.(answer.state, answer);
  // What was over when it first appeared is history, not news.
  if (!before || !isOver(answer.state)) return;
  if (answer.error) to.onError?.(answer.error, answer);
  else to.onMessage?.(answer);
}
