/**
 * Makes one line of what several daemons report of the same event: two on one
 * link hear the same DHCPv6 messages.
 *
 * @module
 */

import { MAX_HELD_LINES } from "../limits.ts";

/** Milliseconds that a line waits for another daemon's report of its event. */
export const HOLD = 200;

interface Held {
  readonly key: string;
  readonly labels: string[];
  readonly due: number;
  readonly render: (labels: readonly string[]) => string;
}

/** Lines of several daemons, in the order in which they came. */
export class Merge {
  readonly #write: (lines: Iterable<string>) => Promise<void>;
  #held: Held[] = [];
  #timer: number | undefined;
  /** What became of the last lines; whoever adds the next one hears of it. */
  #written: Promise<void> = Promise.resolve();

  constructor(write: (lines: Iterable<string>) => Promise<void>) {
    this.#write = write;
  }

  /**
   * Adds a line of the daemon `label`. Where another daemon's line with the same
   * `key` waits, this one is joined to it.
   */
  async add(
    key: string,
    label: string,
    render: (labels: readonly string[]) => string,
  ): Promise<void> {
    const twin = this.#held.find((held) =>
      held.key === key && !held.labels.includes(label)
    );
    if (twin !== undefined) {
      twin.labels.push(label);
      return;
    }
    const due = performance.now() + HOLD;
    this.#held.push({ key, labels: [label], due, render });
    if (this.#held.length > MAX_HELD_LINES) this.#release(Infinity);
    else this.#timer ??= setTimeout(() => this.#releaseDue(), HOLD);
    await this.#written;
  }

  /** Writes all that waits. */
  async flush(): Promise<void> {
    this.#release(Infinity);
    await this.#written;
  }

  #releaseDue(): void {
    this.#timer = undefined;
    const now = performance.now();
    this.#release(now);
    const next = this.#held[0];
    if (next !== undefined) {
      this.#timer = setTimeout(() => this.#releaseDue(), next.due - now);
    }
  }

  #release(now: number): void {
    const count = this.#held.findLastIndex(({ due }) => due <= now) + 1;
    if (count === 0) return;
    const ready = this.#held.slice(0, count);
    this.#held = this.#held.slice(count);
    if (this.#held.length === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    this.#written = this.#write(
      ready.map(({ render, labels }) => render(labels)),
    );
    this.#written.catch(() => {});
  }
}
