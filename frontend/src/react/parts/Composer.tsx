import { type KeyboardEvent, type RefObject, useEffect } from 'react';
import { useStrings } from '../i18n/context.ts';

export interface ComposerProps {
  draft: string;
  onDraft: (draft: string) => void;
  running: boolean;
  /** True while the draft replaces an earlier message. */
  editing: boolean;
  onSend: () => void;
  onStop: () => void;
  onEditLast: () => void;
  onCancelEdit: () => void;
  input: RefObject<HTMLTextAreaElement | null>;
}

/** Where the next message is written, also while an answer is being made. */
export function Composer(props: ComposerProps) {
  const { draft, onDraft, running, editing, onSend, onStop, onCancelEdit, input } = props;
  const strings = useStrings();
  useEffect(() => {
    if (editing) input.current?.focus();
  }, [editing, input]);
  return (
    <form
      className="assistant-composer"
      part="composer"
      onSubmit={(event) => {
        event.preventDefault();
        onSend();
      }}
    >
      {editing ? (
        <p className="assistant-note">
          {strings.editing}{' '}
          <button type="button" onClick={onCancelEdit}>
            {strings.cancelEdit}
          </button>
        </p>
      ) : null}
      <div className="assistant-row">
        <textarea
          ref={input}
          rows={1}
          dir="auto"
          value={draft}
          placeholder={strings.placeholder}
          aria-label={strings.input}
          onChange={(event) => onDraft(event.currentTarget.value)}
          onKeyDown={(event) => onKey(event, props)}
        />
        {running ? (
          <button type="button" className="assistant-primary" onClick={onStop}>
            {strings.stop}
          </button>
        ) : (
          <button type="submit" className="assistant-primary" disabled={draft.trim() === ''}>
            {strings.send}
          </button>
        )}
      </div>
    </form>
  );
}

/** 229 is what a key reports while an input method composes, in engines that set no `isComposing`. */
function isComposing(event: KeyboardEvent): boolean {
  return event.nativeEvent.isComposing || event.nativeEvent.keyCode === 229;
}

function onKey(event: KeyboardEvent<HTMLTextAreaElement>, props: ComposerProps): void {
  if (isComposing(event)) return;
  if (event.key === 'Enter' && !event.shiftKey) {
    event.preventDefault();
    if (!props.running) props.onSend();
  }
  if (event.key === 'ArrowUp' && props.draft === '' && !props.running) {
    event.preventDefault();
    props.onEditLast();
  }
}
