import type { TraceEntry } from '../core/index.ts';

/** One step of a request: ms after the send, and what it may take. */
export interface Step {
  name: 'accepted' | 'connected' | 'first chunk' | 'ended';
  at: number;
  /** ms; null where nothing is promised. */
  budget: number | null;
}

export interface Timeline {
  requestId: string;
  /** ms since 1970 */
  began: number;
  /** The last known state of its stream. */
  state: string;
  steps: Step[];
  frames: number;
  retries: number;
}

/** ms after the send: the POST is answered, the stream is open, the first words are here. */
const BUDGETS: Record<Step['name'], number | null> = {
  accepted: 500,
  connected: 1_000,
  'first chunk': 3_000,
  ended: null,
};

export function isLate({ at, budget }: Step): boolean {
  return budget !== null && at > budget;
}

/** States in which a connection exists or is being made. */
const LIVE = new Set(['connecting', 'open', 'waiting', 'polling', 'cancelling']);

export function isLive({ state }: Timeline): boolean {
  return LIVE.has(state);
}

/** What became of each request, in the order they began. */
export function timelinesOf(entries: readonly TraceEntry[]): Timeline[] {
  const timelines = new Map<string, Timeline>();
  for (const entry of entries) {
    if (!('requestId' in entry) || entry.requestId === null) continue;
    const { requestId } = entry;
    const known = timelines.get(requestId) ?? begin(requestId, entry);
    timelines.set(requestId, known);
    apply(known, entry);
  }
  return [...timelines.values()];
}

/** A stream that was only joined begins with its first entry. */
function begin(requestId: string, entry: TraceEntry): Timeline {
  const began = entry.type === 'accepted' ? entry.at - entry.took : entry.at;
  return { requestId, began, state: '', steps: [], frames: 0, retries: 0 };
}

function apply(timeline: Timeline, entry: TraceEntry): void {
  const reach = (name: Step['name']) => {
    if (timeline.steps.some((step) => step.name === name)) return;
    timeline.steps.push({ name, at: entry.at - timeline.began, budget: BUDGETS[name] });
  };
  if (entry.type === 'accepted') reach('accepted');
  if (entry.type === 'retry') timeline.retries += 1;
  if (entry.type === 'state') {
    timeline.state = entry.state;
    if (entry.state === 'open' || entry.state === 'polling') reach('connected');
    if (['ended', 'failed', 'detached'].includes(entry.state)) reach('ended');
  }
  if (entry.type === 'frame') {
    timeline.frames += 1;
    if (entry.event === 'response_chunk') reach('first chunk');
  }
}
