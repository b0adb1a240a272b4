import { type KeyboardEvent, type RefObject, useEffect } from 'react';
import type { Mode } from '../../core/index.ts';
import { useStrings } from '../i18n/context.ts';
import { Icon } from './Icon.tsx';

export interface ComposerProps {
  draft: string;
  onDraft: (draft: string) => void;
  mode: Mode;
  /** Those to choose from; one is no choice. */
  modes: readonly Mode[];
  onMode: (mode: Mode) => void;
  /** The text to edit; undefined where there is none to give. */
  content: string | undefined;
  onContent: (content: string) => void;
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
  const { draft, onDraft, mode, content, onContent, running, editing, onSend, onCancelEdit, input } = props;
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
      <div className="assistant-field" part="input">
        {editing ? (
          <p className="assistant-note">
            <Icon name="edit" />
            {strings.editing}
            <button type="button" className="assistant-plain" onClick={onCancelEdit}>
              {strings.cancelEdit}
            </button>
          </p>
        ) : null}
        {content === undefined ? null : (
          <textarea
            className="assistant-content-field"
            rows={3}
            dir="auto"
            value={content}
            placeholder={strings.documentPlaceholder}
            aria-label={strings.document}
            onChange={(event) => onContent(event.currentTarget.value)}
          />
        )}
        <textarea
          ref={input}
          className="assistant-input"
          rows={1}
          dir="auto"
          value={draft}
          placeholder={strings.placeholders[mode] ?? strings.placeholder}
          aria-label={strings.input}
          onChange={(event) => onDraft(event.currentTarget.value)}
          onKeyDown={(event) => onKey(event, props)}
        />
        <div className="assistant-row">
          <ModePicker {...props} />
          <span className="assistant-space" />
          <SendButton {...props} disabled={draft.trim() === ''} running={running} />
        </div>
      </div>
    </form>
  );
}

function ModePicker({ mode, modes, onMode }: ComposerProps) {
  const strings = useStrings();
  if (modes.length < 2) return <span className="assistant-hint">{strings.hint}</span>;
  return (
    <select
      className="assistant-mode"
      part="mode"
      value={mode}
      aria-label={strings.mode}
      onChange={(event) => onMode(event.currentTarget.value)}
    >
      {modes.map((name) => (
        <option key={name} value={name}>
          {strings.modes[name] ?? name}
        </option>
      ))}
    </select>
  );
}

function SendButton({ running, disabled, onStop }: ComposerProps & { disabled: boolean }) {
  const strings = useStrings();
  const label = running ? strings.stop : strings.send;
  return (
    <button
      type={running ? 'button' : 'submit'}
      className="assistant-primary assistant-send"
      part="send"
      aria-label={label}
      title={label}
      disabled={!running && disabled}
      onClick={running ? onStop : undefined}
    >
      <Icon name={running ? 'stop' : 'send'} />
    </button>
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
