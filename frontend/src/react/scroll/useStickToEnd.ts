import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { StickToEnd } from './stick.ts';

export interface Stick {
  box: RefObject<HTMLDivElement | null>;
  content: RefObject<HTMLDivElement | null>;
  pinned: boolean;
  pin: () => void;
}

export function useStickToEnd(): Stick {
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const stick = useRef<StickToEnd>(null);
  const [pinned, setPinned] = useState(true);
  useEffect(() => {
    if (!box.current || !content.current) return;
    const controller = new StickToEnd(box.current, content.current, setPinned);
    stick.current = controller;
    return () => controller.stop();
  }, []);
  // What has just been rendered is followed before it is painted, and before the browser looks what has moved.
  useLayoutEffect(() => stick.current?.follow());
  const pin = useCallback(() => stick.current?.pin(), []);
  return { box, content, pinned, pin };
}
