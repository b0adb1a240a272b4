/** Calls back when waiting has become pointless: the page is seen again, or the network is back. */
export type Wake = (onWake: () => void) => () => void;

/** `visible`, `online` and `pageshow` of a browser; outside of one it never calls. */
export const browserWake: Wake = (onWake) => {
  const page = globalThis.document;
  if (!page || typeof globalThis.addEventListener !== 'function') return () => {};
  const onVisible = () => {
    if (page.visibilityState === 'visible') onWake();
  };
  page.addEventListener('visibilitychange', onVisible);
  globalThis.addEventListener('online', onWake);
  globalThis.addEventListener('pageshow', onWake);
  return () => {
    page.removeEventListener('visibilitychange', onVisible);
    globalThis.removeEventListener('online', onWake);
    globalThis.removeEventListener('pageshow', onWake);
  };
};
