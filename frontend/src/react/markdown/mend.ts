/**
 * Completes markdown that is still being written, so that no half marker is ever seen: what is open is
 * closed, what has only begun is held back. The text of a finished answer never passes here.
 */
export function mend(text: string): string {
  const { fence, justClosed } = fenceAtEnd(text);
  if (justClosed) return text;
  if (fence) return text.replace(new RegExp(`\\n {0,3}${fence[0]}+$`), '');
  const at = lastBlock(text);
  return text.slice(0, at) + mendBlock(text.slice(at));
}

/** The fence of a code block that has not ended, and whether one ended in the last line. */
function fenceAtEnd(text: string): { fence: string | null; justClosed: boolean } {
  let fence: string | null = null;
  let justClosed = false;
  for (const line of text.split('\n')) {
    const [, run = '', rest = ''] = /^[ >\t*+\-\d.)]*?(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    justClosed = fence !== null && run[0] === fence[0] && run.length >= fence.length && rest.trim() === '';
    if (justClosed) fence = null;
    else if (!fence && run && !(run[0] === '`' && rest.includes('`'))) fence = run;
  }
  return { fence, justClosed };
}

/** Where the last paragraph, list item, heading or table begins; inline marks do not reach across. */
function lastBlock(text: string): number {
  const breaks = /\n[ \t]*\n|\n(?=[ \t]*(?:[-*+]|\d{1,9}[.)])\s)|\n(?=[ \t]*(?:#{1,6}\s|>))/g;
  let at = 0;
  for (const match of text.matchAll(breaks)) at = match.index + match[0].length;
  return at;
}

/** A line that is only the beginning of a mark: list, heading, quote, rule, underline of a heading, fence. */
const BARE_MARK = /(^|\n)[ \t>]*(?:[-=*_+]{1,2}|\d{1,9}[.)]|#{1,6}|>|`{1,}|~{1,})[ \t]*$/;
/** The task box of a list item, as far as it is written. */
const TASK_BOX = /^([ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+)\[[ xX]?\]?[ \t]*$/;

/** An image that has only its first letter; after a word the same letter ends a sentence. */
const BARE_IMAGE = /(^|\s)!$/;

function mendBlock(block: string): string {
  if (isTableHead(block)) return '';
  return mendInline(block.replace(BARE_MARK, '').replace(TASK_BOX, '$1').replace(BARE_IMAGE, '$1'));
}

/** A table without its second line is a row of bars; it is held back until that line is whole. */
function isTableHead(block: string): boolean {
  const [head = '', rule = '', ...rows] = block.split('\n');
  if (!/^[ \t]*\|/.test(head) || rows.length > 0 || !/^[ \t|:-]*$/.test(rule)) return false;
  const bars = (line: string) => line.split('|').length;
  return bars(rule) < bars(head) || !rule.trimEnd().endsWith('|');
}

/** Marks dropped in one go; more than this is noise that nobody minds seeing. */
const PATIENCE = 50;

function mendInline(text: string, patience = PATIENCE): string {
  if (patience === 0) return text;
  const again = (shorter: string) => mendInline(shorter, patience - 1);
  const list = /^[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?/.exec(text)?.[0].length ?? 0;
  const open: { mark: string; at: number }[] = [];
  let at = list;
  while (at < text.length) {
    const char = text[at] ?? '';
    if (char === '\\') {
      if (at === text.length - 1) return again(text.slice(0, at));
      at += 2;
    } else if (char === '`') {
      const run = runAt(text, at);
      const end = closingTicks(text, at + run.length, run);
      if (end < 0) return close(dropTicks(text, at, run), open, again);
      at = end + run.length;
    } else if (char === '[' || (char === '!' && text[at + 1] === '[')) {
      const link = linkAt(text, at);
      if (link.kind === 'open') return again(text.slice(0, at) + link.label);
      at += link.kind === 'whole' ? link.length : 1;
    } else if (
      char === '<' &&
      /^<(?:https?:|mailto:)?[^\s<>]*$/.test(text.slice(at)) &&
      /^<(?:h|m|$)/.test(text.slice(at))
    ) {
      return close(text.slice(0, at) + text.slice(at + 1), open, again);
    } else if (char === '*' || char === '_' || char === '~') {
      const run = runAt(text, at);
      toggle(open, run, at, text);
      at += run.length;
    } else at += 1;
  }
  return close(text, open, again);
}

function runAt(text: string, at: number): string {
  let end = at;
  while (text[end] === text[at]) end += 1;
  return text.slice(at, end);
}

function closingTicks(text: string, from: number, run: string): number {
  for (let at = text.indexOf('`', from); at >= 0; ) {
    const found = runAt(text, at);
    if (found === run) return at;
    at = text.indexOf('`', at + found.length);
  }
  return -1;
}

/** Code that is open is closed; code that has no letter yet is not there. */
function dropTicks(text: string, at: number, run: string): string {
  const inside = text.slice(at + run.length).replace(/`+$/, '');
  return inside.trim() === '' ? text.slice(0, at) : text.slice(0, at) + run + inside + run;
}

type Link = { kind: 'whole'; length: number } | { kind: 'open'; label: string } | { kind: 'none' };

/** A link or image at this place; one that is not whole shows its label, an image nothing. */
function linkAt(text: string, at: number): Link {
  const image = text[at] === '!';
  const rest = text.slice(image ? at + 1 : at);
  const whole = /^\[(?:\\.|[^\]\\])*\](?:\((?:\\.|[^)\\])*\)|[^(])/.exec(rest);
  if (whole?.[0].endsWith(')')) return { kind: 'whole', length: whole[0].length + (image ? 1 : 0) };
  if (whole) return { kind: 'none' };
  const label = /^\[((?:\\.|[^\]\\])*)/.exec(rest)?.[1] ?? '';
  return { kind: 'open', label: image ? '' : label };
}

/** Opens or closes emphasis, by the rule that a mark opens before a letter and closes after one. */
function toggle(open: { mark: string; at: number }[], run: string, at: number, text: string): void {
  const before = text[at - 1] ?? ' ';
  const after = text[at + run.length] ?? ' ';
  let left = run.length;
  if (!/\s/.test(before)) {
    for (let top = open.at(-1); top && top.mark[0] === run[0] && top.mark.length <= left; top = open.at(-1)) {
      left -= top.mark.length;
      open.pop();
    }
  }
  if (left === 0 || /\s/.test(after)) {
    // At the very end it may yet become an opening or the first half of a closing mark.
    if (left > 0 && at + run.length === text.length)
      open.push({ mark: run.slice(0, left), at: text.length - left });
    return;
  }
  if (run[0] === '_' && /[\p{L}\p{N}]/u.test(before)) return;
  if (run[0] === '~' && left !== 2) return;
  for (const size of left >= 3 ? [2, left - 2] : [left]) open.push({ mark: (run[0] ?? '').repeat(size), at });
}

/** Drops a mark that stands at the end, then closes the others from the innermost out. */
function close(text: string, open: { mark: string; at: number }[], again: (text: string) => string): string {
  const last = open.at(-1);
  if (last && last.at + last.mark.length >= text.length && text.endsWith(last.mark)) {
    return again(text.slice(0, text.length - last.mark.length));
  }
  const space = /\s*$/.exec(text)?.[0] ?? '';
  const closers = open
    .map(({ mark }) => mark)
    .reverse()
    .join('');
  return closers === '' ? text : text.slice(0, text.length - space.length) + closers;
}
