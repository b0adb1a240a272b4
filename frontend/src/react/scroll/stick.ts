/** px from the end that still count as the end; fractions of a pixel come from zoomed pages. */
const AT_END = 2;

/**
 * Keeps a scrolling box at its end until the reader shows that they want to be elsewhere. It goes by
 * intent and not by distance: a wheel, a finger, a key or the scrollbar going up releases at once, and
 * then nothing moves; coming back to the end pins again.
 */
export class StickToEnd {
  #pinned = true;
  #lastTop = 0;
  #touchY = 0;
  #dragging = false;
  readonly #observer: ResizeObserver;
  readonly #abort = new AbortController();

  constructor(
    private readonly box: HTMLElement,
    private readonly content: HTMLElement,
    private readonly onPinned: (pinned: boolean) => void,
  ) {
    this.#observer = new ResizeObserver(() => this.follow());
    this.#observer.observe(content);
    this.#observer.observe(box);
    this.#listen();
    this.follow();
  }

  get pinned(): boolean {
    return this.#pinned;
  }

  /** Goes to the end and stays there. */
  pin(): void {
    this.#set(true);
    this.follow();
  }

  stop(): void {
    this.#observer.disconnect();
    this.#abort.abort();
  }

  #listen(): void {
    const options = { passive: true, signal: this.#abort.signal };
    this.box.addEventListener('wheel', (event) => event.deltaY < 0 && this.#release(), options);
    this.box.addEventListener('touchstart', (event) => this.#onTouch(event, false), options);
    this.box.addEventListener('touchmove', (event) => this.#onTouch(event, true), options);
    this.box.addEventListener('keydown', (event) => this.#onKey(event), options);
    this.box.addEventListener('pointerdown', (event) => this.#onPointer(event), options);
    this.box.ownerDocument.addEventListener('pointerup', () => this.#drop(), options);
    this.box.addEventListener('scroll', () => this.#onScroll(), options);
  }

  #onTouch(event: TouchEvent, moving: boolean): void {
    const y = event.touches[0]?.clientY ?? 0;
    if (moving && y > this.#touchY) this.#release();
    this.#touchY = y;
  }

  #onKey(event: KeyboardEvent): void {
    const up = ['ArrowUp', 'PageUp', 'Home'].includes(event.key) || (event.key === ' ' && event.shiftKey);
    if (up) this.#release();
  }

  /** A press beside the content is a press on the scrollbar. */
  #onPointer(event: PointerEvent): void {
    const { left } = this.box.getBoundingClientRect();
    const x = event.clientX - left - this.box.clientLeft;
    this.#dragging = event.target === this.box && (x < 0 || x >= this.box.clientWidth);
  }

  #drop(): void {
    this.#dragging = false;
  }

  #onScroll(): void {
    const top = this.box.scrollTop;
    if (this.#dragging && top < this.#lastTop) this.#release();
    else if (top > this.#lastTop && this.#distance() <= AT_END) this.#set(true);
    this.#lastTop = top;
  }

  #distance(): number {
    return this.box.scrollHeight - this.box.clientHeight - this.box.scrollTop;
  }

  #release(): void {
    // A box that does not scroll has no other place to be.
    if (this.box.scrollHeight > this.box.clientHeight) this.#set(false);
  }

  #set(pinned: boolean): void {
    if (this.#pinned === pinned) return;
    this.#pinned = pinned;
    this.onPinned(pinned);
  }

  /** Goes to the end, where the reader wants to be there. */
  follow(): void {
    // What stands in an empty window begins at its top.
    if (!this.#pinned || this.content.clientHeight === 0) return;
    this.box.scrollTop = this.box.scrollHeight;
    this.#lastTop = this.box.scrollTop;
  }
}
