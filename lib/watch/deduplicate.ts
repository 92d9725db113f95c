/**
 * Merges the lines that several daemons cause by the same event: two daemons on
 * one link receive the same DHCPv6 messages.
 *
 * @module
 */

import { MAX_HELD_LINES } from "../overload/limits.ts";

/**
 * Milliseconds that a line waits at least for another daemon's report of the same
 * event; it waits twice as long at most.
 */
export const HOLD_INTERVAL = 100;

interface HeldLine {
  readonly key: string;
  readonly labels: string[];
  readonly render: (labels: readonly string[]) => string;
}

/** Holds lines back and merges duplicates, in order of arrival. */
export class Deduplicator {
  readonly #write: (lines: Iterable<string>) => Promise<void>;
  /** Lines from before the last tick of the timer, and from after it. */
  #older: HeldLine[] = [];
  #newer: HeldLine[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  /** The result of the last write: the next call of `add` throws its error. */
  #written: Promise<void> = Promise.resolve();

  /** @param write Writes lines; its error is thrown by every later call. */
  constructor(write: (lines: Iterable<string>) => Promise<void>) {
    this.#write = write;
  }

  /**
   * Adds a line of the daemon `label`. If another daemon's line with the same
   * `key` is held, the two become one with both labels.
   */
  async add(
    key: string,
    label: string,
    render: (labels: readonly string[]) => string,
  ): Promise<void> {
    const isDuplicate = (held: HeldLine) =>
      held.key === key && !held.labels.includes(label);
    const held = this.#older.find(isDuplicate) ?? this.#newer.find(isDuplicate);
    if (held !== undefined) {
      held.labels.push(label);
      return;
    }
    this.#newer.push({ key, labels: [label], render });
    this.#timer ??= setInterval(() => this.#tick(), HOLD_INTERVAL);
    if (this.#older.length + this.#newer.length > MAX_HELD_LINES) {
      await this.flush();
    } else {
      await this.#written;
    }
  }

  /** Writes all held lines. */
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
