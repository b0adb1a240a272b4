import { Lexer, type Token } from 'marked';
import { mend } from './mend.ts';

/** One top-level block. `key` is where it begins in the source, so it stays the same as the text grows. */
export interface Block {
  key: number;
  token: Token;
}

export interface BlockList {
  /** The source these blocks are of. */
  source: string;
  blocks: readonly Block[];
  /** How many of them, and how much of the source, cannot change by what comes after. */
  settledBlocks: number;
  settledChars: number;
}

export const NO_BLOCKS: BlockList = { source: '', blocks: [], settledBlocks: 0, settledChars: 0 };

/** The blocks of a text that grows: only the open tail is lexed again, settled blocks keep their identity. */
export function growBlocks(last: BlockList, text: string): BlockList {
  const source = normalised(text);
  const base = source.startsWith(last.source.slice(0, last.settledChars)) ? last : NO_BLOCKS;
  const settled = base.blocks.slice(0, base.settledBlocks);
  const tail = lex(source.slice(base.settledChars), base.settledChars);

  // The block before the last one is closed: markdown never reopens it.
  const closed = tail.slice(0, -1).filter(({ token, key }) => source.startsWith(token.raw, key));
  const whole = closed.length === Math.max(0, tail.length - 1);
  const open = whole ? tail.at(-1) : tail[0];
  const settledChars = open?.key ?? base.settledChars;
  const settling = whole ? closed : [];
  const rest = source.slice(settledChars);
  const mended = mend(rest);
  // Lexing is what costs: a rest without half marks has been lexed already.
  const growing = mended === rest ? tail.slice(settling.length) : lex(mended, settledChars);
  const blocks = [...settled, ...settling, ...growing];
  return { source, blocks, settledBlocks: settled.length + settling.length, settledChars };
}

/** The blocks of a text that is whole: one full lex, which also knows links defined further down. */
export function allBlocks(text: string): readonly Block[] {
  return lex(normalised(text), 0);
}

/** The lexer does the same with line ends; done here first, keys are places in the same text. */
function normalised(text: string): string {
  return text.replace(/\r\n?/g, '\n');
}

function lex(source: string, offset: number): Block[] {
  const blocks: Block[] = [];
  let key = offset;
  for (const token of tokensOf(source)) {
    if (token.type !== 'space' && token.type !== 'def') blocks.push({ key, token });
    key += token.raw.length;
  }
  return blocks;
}

/** The lexer recurses into nested quotes and lists; a text made to exhaust it is shown as it is. */
function tokensOf(source: string): Token[] {
  try {
    return new Lexer({ gfm: true }).lex(source);
  } catch {
    return [{ type: 'html', block: true, pre: false, raw: source, text: source }];
  }
}
