import { useEffect, useState } from 'react';
import { copyText } from '../copy.ts';
import { useStrings } from '../i18n/context.ts';
import { Icon } from './Icon.tsx';

/** ms that "Copied" stays. */
const SHOWN = 2_000;

/** Copies; `words` writes its name beside the sign. */
export function CopyButton({ text, label, words = false }: { text: string; label: string; words?: boolean }) {
  const strings = useStrings();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN);
    return () => clearTimeout(timer);
  }, [copied]);
  const name = copied ? strings.copied : label;
  return (
    <button
      type="button"
      className="assistant-plain assistant-copy"
      aria-label={words ? undefined : name}
      title={words ? undefined : name}
      onClick={() => void copyText(text).then(setCopied)}
    >
      <Icon name={copied ? 'check' : 'copy'} />
      {words ? name : null}
    </button>
  );
}
