import type { Part } from '../../core/index.ts';
import { useStrings } from '../i18n/context.ts';
import { CodeBlock } from '../markdown/CodeBlock.tsx';
import { Markdown } from '../markdown/Markdown.tsx';
import { linkUrl } from '../markdown/urls.ts';

export interface AppendixProps {
  part: Part;
  complete: boolean;
  images: readonly string[];
}

/** What comes with an answer: below it, in order, and closable. */
export function Appendix({ part, complete, images }: AppendixProps) {
  const strings = useStrings();
  const kind = part.kind ?? '';
  return (
    <details className="assistant-appendix" part="appendix" data-kind={kind} open>
      <summary>{part.title || strings.appendix[kind] || kind}</summary>
      <AppendixBody part={part} complete={complete} images={images} />
    </details>
  );
}

function AppendixBody({ part, complete, images }: AppendixProps) {
  if (part.kind === 'code') return <CodeBlock text={part.text} language={part.language ?? ''} />;
  const url = part.url ? linkUrl(part.url) : null;
  return (
    <>
      {url ? (
        <a href={url} target="_blank" rel="noopener noreferrer nofollow">
          {url.replace(/^https?:\/\//, '')}
        </a>
      ) : null}
      <Markdown text={part.text} complete={complete} images={images} />
    </>
  );
}
