import { useState } from 'react';
import type { ActionData } from '../../core/index.ts';
import { useStrings } from '../i18n/context.ts';

export interface ActionCardProps {
  action: ActionData;
  onAnswer: (actionId: string, approved: boolean) => Promise<boolean>;
}

/** What the assistant wants to do in the page: a question where it wants approval, else a line. */
export function ActionCard({ action, onAnswer }: ActionCardProps) {
  const strings = useStrings();
  const [answered, setAnswered] = useState(false);
  const asks = action.wants === 'approval' && action.phase === 'proposed';
  const answer = (approved: boolean) => {
    setAnswered(true);
    // Not taken: it was answered elsewhere, and the stream will say so; or it was not heard, and may be tried again.
    void onAnswer(action.action_id, approved).then((taken) => setAnswered(taken));
  };
  if (!asks) return <p className="assistant-action">{strings.actionDone(action.name, action.phase)}</p>;
  return (
    <fieldset className="assistant-action" part="action" disabled={answered}>
      <legend>{strings.actionProposed(action.name)}</legend>
      <pre>{JSON.stringify(action.args, null, 2)}</pre>
      <button type="button" className="assistant-primary" onClick={() => answer(true)}>
        {strings.approve}
      </button>
      <button type="button" onClick={() => answer(false)}>
        {strings.deny}
      </button>
    </fieldset>
  );
}
