import { useEffect, useState } from 'react';

/** Whole seconds left of so many, counted from the first call with this key; 0 when they are over. */
export function useCountdown(key: unknown, seconds: number): number {
  const [end, setEnd] = useState(() => Date.now() + seconds * 1000);
  const [now, setNow] = useState(() => Date.now());
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new key starts a new countdown
  useEffect(() => {
    setEnd(Date.now() + seconds * 1000);
    setNow(Date.now());
  }, [key, seconds]);
  const left = Math.max(0, Math.ceil((end - now) / 1000));
  useEffect(() => {
    if (left === 0) return;
    const timer = setTimeout(() => setNow(Date.now()), 250);
    return () => clearTimeout(timer);
  });
  return left;
}
