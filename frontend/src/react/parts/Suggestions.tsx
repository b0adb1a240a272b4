import type { AnswerMessage } from '../../core/index.ts';
import { useStrings } from '../i18n/context.ts';

/** The action by which a model proposes what to ask next; the window itself can run it. */
export const SUGGEST = 'suggest_prompts';

/** What could be asked next, below the last answer. */
export function Suggestions({ answer, onPick }: { answer: AnswerMessage; onPick: (prompt: string) => void }) {
  const strings = useStrings();
  const prompts = promptsOf(answer);
  if (prompts.length === 0) return null;
  return (
    <fieldset className="assistant-suggestions" part="suggestions" aria-label={strings.suggestions}>
      {prompts.map((prompt) => (
        <button key={prompt} type="button" part="suggestion" dir="auto" onClick={() => onPick(prompt)}>
          {prompt}
        </button>
      ))}
    </fieldset>
  );
}

function promptsOf({ actions }: AnswerMessage): string[] {
  const given = actions.findLast(({ name }) => name === SUGGEST)?.args?.prompts;
  return Array.isArray(given) ? [...new Set(given.filter((prompt) => typeof prompt === 'string'))] : [];
}
