/** What happened on the wire, for devtools and logs. Bodies and tokens are never part of it. */
export type TraceEntry =
  | { type: 'request'; at: number; call: number; method: string; path: string; cursor?: string }
  | { type: 'response'; at: number; call: number; status: number; instance: string | null }
  | { type: 'failure'; at: number; call: number; code: string; message: string }
  /** A request exists; `took`: ms from the send to here, a repeated POST included. */
  | { type: 'accepted'; at: number; requestId: string; took: number }
  | { type: 'frame'; at: number; requestId: string; id: string | null; event: string; data: string }
  | { type: 'retry'; at: number; requestId: string; failures: number; delay: number; reason: string }
  | { type: 'state'; at: number; requestId: string | null; state: string };

type Timeless<Entry> = Entry extends TraceEntry ? Omit<Entry, 'at'> : never;

export interface Hooks {
  onTrace?: (entry: TraceEntry) => void;
}

export type Tracer = (entry: Timeless<TraceEntry>) => void;

/** An observer's failure never reaches what it observes. */
export function createTracer(hooks: Hooks | undefined, now: () => number): Tracer {
  const { onTrace } = hooks ?? {};
  if (!onTrace) return () => {};
  return (entry) => {
    try {
      onTrace({ ...entry, at: now() } as TraceEntry);
    } catch (error) {
      console.error('assistant: onTrace failed', error);
    }
  };
}
