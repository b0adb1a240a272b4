import { type ClientOptions, createAssistantClient } from '../../src/core/index.ts';
import type { TraceEntry } from '../../src/core/trace.ts';
import { ManualClock } from './clock.ts';
import { ScriptedFetch } from './scripted-fetch.ts';

/** A client in a world without time, chance or network. */
export function createWorld(options: ClientOptions = {}) {
  const clock = new ManualClock();
  const net = new ScriptedFetch();
  const trace: TraceEntry[] = [];
  const wakers = new Set<() => void>();
  const client = createAssistantClient({
    fetch: net.fetch,
    hooks: { onTrace: (entry) => trace.push(entry) },
    runtime: {
      clock,
      random: () => 0.5,
      wake: (onWake) => {
        wakers.add(onWake);
        return () => wakers.delete(onWake);
      },
    },
    ...options,
  });
  const wake = () => {
    for (const waker of wakers) waker();
  };
  return { clock, net, client, trace, wake, wakers };
}
