import { useEffect, useState } from 'react';
import { copyText } from '../copy.ts';
import { useStrings } from '../i18n/context.ts';

/** ms that "Copied" stays. */
const SHOWN = 2_000;

export function CopyButton({ text, label }: { text: string; label: string }) {
  const strings = useStrings();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button type="button" className="assistant-copy" onClick={() => void copyText(text).then(setCopied)}>
      {copied ? strings.copied : label}
    </button>
  );
}
