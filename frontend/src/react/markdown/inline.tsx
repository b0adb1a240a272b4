import type { Token, Tokens } from 'marked';
import type { ReactNode } from 'react';
import { useStrings } from '../i18n/context.ts';
import { decodeEntities } from './entities.ts';
import { imageUrl, linkUrl } from './urls.ts';

/** Inline tokens as elements. Raw HTML is text: nothing here ever makes markup from a string. */
export function inline(tokens: readonly Token[] | undefined, images: readonly string[]): ReactNode[] {
  return (tokens ?? []).map((token, at) => element(token as Tokens.Generic, at, images));
}

function element(token: Tokens.Generic, key: number, images: readonly string[]): ReactNode {
  const inside = () => inline(token.tokens, images);
  switch (token.type) {
    case 'strong':
      return <strong key={key}>{inside()}</strong>;
    case 'em':
      return <em key={key}>{inside()}</em>;
    case 'del':
      return <del key={key}>{inside()}</del>;
    case 'codespan':
      return <code key={key}>{token.text}</code>;
    case 'br':
      return <br key={key} />;
    case 'link':
      return <Link key={key} href={token.href} title={token.title} inside={inside()} />;
    case 'image':
      return <Image key={key} href={token.href} alt={token.text} images={images} />;
    case 'checkbox':
      return <Task key={key} done={token.checked} />;
    case 'escape':
      return token.text;
    case 'html':
      return token.raw;
    case 'text':
      return token.tokens ? inside() : decodeEntities(token.text);
    default:
      return token.raw;
  }
}

function Task({ done }: { done: boolean }) {
  const strings = useStrings();
  return (
    <input
      type="checkbox"
      checked={done}
      disabled
      readOnly
      aria-label={done ? strings.taskDone : strings.taskOpen}
    />
  );
}

function Link({ href, title, inside }: { href: string; title?: string | null; inside: ReactNode[] }) {
  const url = linkUrl(href);
  if (!url) return inside;
  return (
    <a href={url} title={title ?? undefined} target="_blank" rel="noopener noreferrer nofollow">
      {inside}
    </a>
  );
}

/** An image from elsewhere is a request to elsewhere: it is a link, unless the page allowed its origin. */
function Image({ href, alt, images }: { href: string; alt: string; images: readonly string[] }) {
  const url = imageUrl(href, images);
  if (!url) return <Link href={href} inside={[alt || href]} />;
  return <img src={url} alt={alt} loading="lazy" referrerPolicy="no-referrer" />;
}
