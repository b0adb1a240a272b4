import type { Token, Tokens } from 'marked';
import { memo, type ReactNode, useMemo, useRef } from 'react';
import { allBlocks, type Block, growBlocks, NO_BLOCKS } from './blocks.ts';
import { CodeBlock } from './CodeBlock.tsx';
import { inline } from './inline.tsx';

export interface MarkdownProps {
  text: string;
  /** False while the text still grows: then only its tail is read again, and half marks are hidden. */
  complete: boolean;
  /** Origins that images may be loaded from. */
  images: readonly string[];
}

/** Markdown as elements, one memo for each block. */
export function Markdown({ text, complete, images }: MarkdownProps) {
  const growing = useRef(NO_BLOCKS);
  const blocks = useMemo(() => {
    if (complete) return allBlocks(text);
    growing.current = growBlocks(growing.current, text);
    return growing.current.blocks;
  }, [text, complete]);
  return (
    <div className="assistant-markdown" dir="auto">
      {groupsOf(blocks).map((group, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: groups fill up in order, and a block never leaves its own
        <Group key={at} blocks={group} images={images} />
      ))}
    </div>
  );
}

/**
 * Blocks that are compared, and laid out, together: a long answer has a thousand, and all but the last few stay as
 * they are. Each group is a box, so that the browser looks at the boxes and not at all blocks when the last one grows.
 */
const GROUP = 32;

function groupsOf(blocks: readonly Block[]): Block[][] {
  const count = Math.ceil(blocks.length / GROUP);
  return Array.from({ length: count }, (_, at) => blocks.slice(at * GROUP, (at + 1) * GROUP));
}

interface GroupProps {
  blocks: readonly Block[];
  images: readonly string[];
}

const Group = memo(
  ({ blocks, images }: GroupProps) => (
    <div>
      {blocks.map(({ key, token }) => (
        <BlockView key={key} token={token} images={images} />
      ))}
    </div>
  ),
  (a, b) =>
    a.images === b.images &&
    a.blocks.length === b.blocks.length &&
    a.blocks.every(({ token }, at) => token === b.blocks[at]?.token),
);

interface BlockProps {
  token: Token;
  images: readonly string[];
}

/** Settled tokens keep their identity and so are not rendered again; others are compared by their source. */
const BlockView = memo(
  ({ token, images }: BlockProps) => block(token as Tokens.Generic, images),
  (a, b) =>
    a.images === b.images &&
    (a.token === b.token || (a.token.raw === b.token.raw && a.token.type === b.token.type)),
);

function block(token: Tokens.Generic, images: readonly string[]): ReactNode {
  switch (token.type) {
    case 'heading':
      return <Heading depth={token.depth}>{inline(token.tokens, images)}</Heading>;
    case 'code':
      return <CodeBlock text={token.text} language={/^\S*/.exec(token.lang ?? '')?.[0] ?? ''} />;
    case 'blockquote':
      return <blockquote>{blocksOf(token.tokens, images)}</blockquote>;
    case 'list':
      return <List list={token as Tokens.List} images={images} />;
    case 'table':
      return <Table table={token as Tokens.Table} images={images} />;
    case 'hr':
      return <hr />;
    case 'html':
      return <p className="assistant-raw">{token.raw}</p>;
    case 'text':
      return inline(token.tokens ?? [token as Token], images);
    default:
      return <p>{inline(token.tokens, images)}</p>;
  }
}

function blocksOf(tokens: readonly Token[] | undefined, images: readonly string[]): ReactNode {
  const shown = (tokens ?? []).filter(({ type }) => type !== 'space' && type !== 'def');
  // biome-ignore lint/suspicious/noArrayIndexKey: blocks within a block only ever grow at their end
  return shown.map((token, at) => <BlockView key={at} token={token} images={images} />);
}

/** The answer sits under the page's own headings: its levels begin at three, with `#` or with `##`. */
function Heading({ depth, children }: { depth: number; children: ReactNode }) {
  const Tag = `h${Math.min(6, Math.max(3, depth + 1))}` as 'h3' | 'h4' | 'h5' | 'h6';
  return <Tag>{children}</Tag>;
}

function List({ list, images }: { list: Tokens.List; images: readonly string[] }) {
  const items = list.items.map((item, at) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: a list only ever grows at its end
    <li key={at}>{listItem(item, images)}</li>
  ));
  return list.ordered ? (
    <ol start={list.start === '' ? undefined : list.start}>{items}</ol>
  ) : (
    <ul>{items}</ul>
  );
}

/** A task's box is an inline token among blocks. */
function listItem(item: Tokens.ListItem, images: readonly string[]): ReactNode {
  const [first, ...rest] = item.tokens;
  if (first?.type !== 'checkbox') return blocksOf(item.tokens, images);
  return [...inline([first], images), blocksOf(rest, images)];
}

function Table({ table, images }: { table: Tokens.Table; images: readonly string[] }) {
  const cell = (Tag: 'th' | 'td') => (content: Tokens.TableCell, at: number) => (
    <Tag key={at} data-align={content.align ?? undefined} scope={Tag === 'th' ? 'col' : undefined}>
      {inline(content.tokens, images)}
    </Tag>
  );
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
    <div className="assistant-table" part="table" tabIndex={0}>
      <table>
        <thead>
          <tr>{table.header.map(cell('th'))}</tr>
        </thead>
        <tbody>
          {table.rows.map((row, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rows only ever grow at their end
            <tr key={at}>{row.map(cell('td'))}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
