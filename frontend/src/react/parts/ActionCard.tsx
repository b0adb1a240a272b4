import { useState } from 'react';
import type { ActionData } from '../../core/index.ts';
import { useCountdown } from '../hooks/useCountdown.ts';
import { useStrings } from '../i18n/context.ts';
import { Icon, type IconName } from './Icon.tsx';

export interface ActionCardProps {
  action: ActionData;
  /** True when the answer it belongs to is over: nobody waits for a reply any more. */
  over: boolean;
  onAnswer: (actionId: string, approved: boolean) => Promise<boolean>;
}

/** Seconds before its end from which on a question says how long it still stands. */
const HURRY = 120;

/** What the assistant wants to do in the page: a question where it wants approval, else a line. */
export function ActionCard({ action, over, onAnswer }: ActionCardProps) {
  const asks = action.wants === 'approval' && action.phase === 'proposed' && !over;
  return asks ? <Question action={action} onAnswer={onAnswer} /> : <Line action={action} />;
}

const ICONS: Readonly<Record<string, IconName>> = {
  ok: 'check',
  error: 'alert',
  expired: 'alert',
  denied: 'close',
};

function Line({ action: { name, phase, status } }: { action: ActionData }) {
  const strings = useStrings();
  const state = phase === 'resolved' ? (status ?? 'ok') : phase;
  return (
    <p className="assistant-action" part="action" data-state={state}>
      <Icon name={ICONS[state] ?? 'devtools'} />
      <span>{strings.actionDone(name, strings.actionStates[state] ?? state)}</span>
    </p>
  );
}

function Question({ action, onAnswer }: Omit<ActionCardProps, 'over'>) {
  const strings = useStrings();
  const [answered, setAnswered] = useState(false);
  const [seconds] = useState(() => Math.max(0, (action.expires_at ?? 0) - Date.now()) / 1000);
  const left = useCountdown(action.action_id, seconds);
  const answer = (approved: boolean) => {
    setAnswered(true);
    // Not taken: it was answered elsewhere, and the stream will say so; or it was not heard, and may be tried again.
    void onAnswer(action.action_id, approved).then((taken) => setAnswered(taken));
  };
  return (
    <fieldset className="assistant-action" part="action" disabled={answered}>
      <legend>{strings.actionProposed(action.name)}</legend>
      <pre dir="ltr">{JSON.stringify(action.args, null, 2)}</pre>
      <div className="assistant-buttons">
        <button type="button" className="assistant-primary" onClick={() => answer(true)}>
          {strings.approve}
        </button>
        <button type="button" onClick={() => answer(false)}>
          {strings.deny}
        </button>
        {left > 0 && left <= HURRY ? <span className="assistant-left">{strings.expiresIn(left)}</span> : null}
      </div>
    </fieldset>
  );
}
