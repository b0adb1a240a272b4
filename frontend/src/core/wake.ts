/** Calls back when waiting has become pointless: the page is seen again, or the network is back. */
export type Wake = (onWake: () => void) => () => void;

/** `visible`, `online` and `pageshow` of a browser; outside of one it never calls. */
export const browserWake: Wake = (onWake) => {
  const page = globalThis.document;
  if (!page || typeof globalThis.addEventListener !== 'function') return () => {};
  const listening = new AbortController();
  const { signal } = listening;
  const onVisible = () => page.visibilityState === 'visible' && onWake();
  page.addEventListener('visibilitychange', onVisible, { signal });
  for (const event of ['online', 'pageshow']) globalThis.addEventListener(event, onWake, { signal });
  return () => listening.abort();
};
