import type { Mode, SendWith } from '../../core/index.ts';
import { useStrings } from '../i18n/context.ts';

/** A prompt to begin with. */
export interface Example extends SendWith {
  /** What is written on it; default: the prompt. */
  title?: string;
  prompt: string;
  mode?: Mode;
}

export interface EmptyStateProps {
  examples: readonly Example[];
  onPick: (example: Example) => void;
}

/** What a window shows before anything was said. */
export function EmptyState({ examples, onPick }: EmptyStateProps) {
  const strings = useStrings();
  return (
    <div className="assistant-empty" part="empty">
      <p className="assistant-welcome">{strings.welcome}</p>
      {strings.lede ? <p className="assistant-lede">{strings.lede}</p> : null}
      <div className="assistant-examples">
        {examples.map((example) => (
          <button
            key={example.prompt}
            type="button"
            className="assistant-example"
            part="example"
            dir="auto"
            onClick={() => onPick(example)}
          >
            {example.mode ? <small>{strings.modes[example.mode] ?? example.mode}</small> : null}
            <span>{example.title ?? example.prompt}</span>
          </button>
        ))}
      </div>
    </div>
  );
}
