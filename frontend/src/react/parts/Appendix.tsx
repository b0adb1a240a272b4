import type { Part } from '../../core/index.ts';
import { useStrings } from '../i18n/context.ts';
import { CodeBlock } from '../markdown/CodeBlock.tsx';
import { Markdown } from '../markdown/Markdown.tsx';
import { linkUrl } from '../markdown/urls.ts';
import { Icon } from './Icon.tsx';

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
      <summary>
        {kind === 'file' ? <Icon name="file" /> : null}
        {part.title || strings.appendix[kind] || kind}
      </summary>
      <Link url={part.url} />
      <Text part={part} complete={complete} images={images} />
    </details>
  );
}

function Link({ url }: { url: string | null | undefined }) {
  const safe = url ? linkUrl(url) : null;
  return safe ? (
    <a href={safe} target="_blank" rel="noopener noreferrer nofollow">
      {safe.replace(/^https?:\/\//, '')}
    </a>
  ) : null;
}

/** A file is shown as it is, like code: its stars and hashes are its own, no markdown. */
function Text({ part, complete, images }: AppendixProps) {
  if (part.kind === 'file' && !part.text) return null;
  if (part.kind === 'code' || part.kind === 'file')
    return <CodeBlock text={part.text} language={part.language ?? ''} />;
  return <Markdown text={part.text} complete={complete} images={images} />;
}
