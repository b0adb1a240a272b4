const WEB = new Set(['http:', 'https:']);
const LINK = new Set([...WEB, 'mailto:']);

/** The address to link to, or null: only web, mail and the page's own origin are linked. */
export function linkUrl(href: string): string | null {
  const url = parse(href);
  return url && LINK.has(url.protocol) ? url.href : null;
}

/** The address to load an image from, or null: its origin must have been allowed by the page. */
export function imageUrl(href: string, origins: readonly string[]): string | null {
  const url = parse(href);
  return url && WEB.has(url.protocol) && origins.includes(url.origin) ? url.href : null;
}

function parse(href: string): URL | null {
  try {
    return new URL(href, globalThis.document?.baseURI);
  } catch {
    return null;
  }
}
