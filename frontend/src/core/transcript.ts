import type { ChunkData, Part, PartHead } from './types.ts';

/** The parts with one chunk more. Parts that did not change keep their identity. */
export function appendChunk(parts: readonly Part[], chunk: ChunkData): Part[] {
  const at = parts.findLastIndex((part) => part.index === chunk.index);
  const part = parts[at];
  if (!part) return [...parts, { ...headOf(chunk), text: chunk.text }];
  return parts.with(at, { ...part, text: part.text + chunk.text });
}

/** The answer: the text parts joined. */
export function textOf(parts: readonly Part[]): string {
  return parts.reduce((text, part) => (part.part === 'text' ? text + part.text : text), '');
}

function headOf({ part, index, kind, title, language, url }: ChunkData): PartHead {
  return {
    part,
    index,
    ...(kind ? { kind } : {}),
    ...(title ? { title } : {}),
    ...(language ? { language } : {}),
    ...(url ? { url } : {}),
  };
}
