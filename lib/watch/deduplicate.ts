/**
 * Makes one line of what several daemons report of the same event: two on one
 * link hear the same DHCPv6 messages.
 *
 * @module
 */

import { MAX_HELD_LINES } from "../overload/limits.ts";

/**
 * Milliseconds that a line waits at least for another daemon's report of its
 * event; it waits twice as long at most.
 */
export const HOLD = 100;

interface Held {
  readonly key: string;
  readonly labels: string[];
  readonly render: (labels: readonly string[]) => string;
}

/** Lines of several daemons, in the order in which they came. */
export class Merge {
  readonly #write: (lines: Iterable<string>) => Promise<void>;
  /** What came before the last tick of the timer, and since then. */
  #older: Held[] = [];
  #newer: Held[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
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
    const isTwin = (held: Held) =>
      held.key === key && !held.labels.includes(label);
    const twin = this.#older.find(isTwin) ?? this.#newer.find(isTwin);
    if (twin !== undefined) {
      twin.labels.push(label);
      return;
    }
    this.#newer.push({ key, labels: [label], render });
    this.#timer ??= setInterval(() => this.#tick(), HOLD);
    if (this.#older.length + this.#newer.length > MAX_HELD_LINES) {
      await this.flush();
    } else {
      await this.#written;
    }
  }

  /** Writes all that waits. */
  async flush(): Promise<void> {
    this.#tick();
    this.#tick();
    await this.#written;
  }

  #tick(): void {
    const ready = this.#older;
    this.#older = this.#newer;
    this.#newer = [];
    if (this.#older.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    if (ready.length === 0) return;
    this.#written = this.#write(
      ready.map(({ render, labels }) => render(labels.toSorted())),
    );
    this.#written.catch(() => {});
  }
}
