import { useStrings } from '../i18n/context.ts';
import { CopyButton } from '../parts/CopyButton.tsx';

/** Code with its language, a copy button, and a scroll of its own. */
export function CodeBlock({ text, language }: { text: string; language: string }) {
  const strings = useStrings();
  return (
    <figure className="assistant-code" part="code" dir="ltr">
      <figcaption>
        <span>{language}</span>
        <CopyButton text={text} label={strings.copyCode} words />
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>
        <code data-language={language || undefined}>{text}</code>
      </pre>
    </figure>
  );
}
