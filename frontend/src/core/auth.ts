import { AssistantError, networkError, timeoutError } from './errors.ts';
import { type Clock, unlessAborted } from './runtime.ts';

/** Why a token is wanted: for the first call, because one was refused, or because it is about to end. */
export type TokenReason = 'first' | 'rejected' | 'expired';

/** Gives an access token, or nothing when the page is signed in by a cookie. */
export type TokenProvider = (
  why: TokenReason,
  signal: AbortSignal,
) => string | null | undefined | Promise<string | null | undefined>;

/** Opens a guest session and gives its token; null where guests are off. */
export type GuestSession = (signal: AbortSignal) => Promise<string | null>;

/** Holds the token in memory and fetches a new one once, however many calls ask at the same time. */
export class Credentials {
  #token: string | null = null;
  #asked = false;
  #flight: Promise<boolean> | null = null;

  constructor(
    private readonly provider: TokenProvider | undefined,
    private readonly guest: GuestSession,
    private readonly clock: Clock,
    /** Longest time a token may take, ms. */
    private readonly limit: number,
  ) {}

  /** The token to send, if there is one. A guest has none until a 401 asks for it. */
  async current(signal: AbortSignal): Promise<string | null> {
    if (this.provider && !this.#asked) await this.#renew('first', signal);
    return this.#token;
  }

  /**
   * Gets a new token after `refused` was not accepted. False when there is none to get: the 401 stands.
   * A call that comes late, after another has renewed, does not renew again.
   */
  async refresh(refused: string | null, why: TokenReason, signal: AbortSignal): Promise<boolean> {
    if (this.#token !== refused) return true;
    return this.#renew(why, signal);
  }

  #renew(why: TokenReason, signal: AbortSignal): Promise<boolean> {
    // The flight has no caller's signal: one that leaves must not take the token from the others.
    this.#flight ??= this.#fetch(why).finally(() => {
      this.#flight = null;
    });
    return unlessAborted(this.#flight, signal, 'request');
  }

  async #fetch(why: TokenReason): Promise<boolean> {
    const deadline = new AbortController();
    const stop = this.clock.after(this.limit, () => deadline.abort(timeoutError('request')));
    try {
      const source = this.provider ? ask(this.provider, why, deadline.signal) : this.guest(deadline.signal);
      this.#token = await unlessAborted(source, deadline.signal, 'request');
      this.#asked = true;
      // A page signed in by cookie has no token to show for it, yet its cookie may be new.
      return this.provider !== undefined || this.#token !== null;
    } finally {
      stop();
    }
  }
}

async function ask(provider: TokenProvider, why: TokenReason, signal: AbortSignal): Promise<string | null> {
  try {
    return (await provider(why, signal)) ?? null;
  } catch (cause) {
    if (cause instanceof AssistantError) throw cause;
    // `fetch` throws TypeError when the network is gone; that passes, a refused sign-in does not.
    if (cause instanceof TypeError) throw networkError('request', cause);
    const facts = { kind: 'auth', code: 'unauthorized', stage: 'request', cause } as const;
    throw new AssistantError('The access token could not be obtained.', facts);
  }
}
