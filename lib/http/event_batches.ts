/**
 * The events that were sent last, as text that all readers share.
 *
 * @module
 */

import { MAX_RECENT_EVENT_BYTES } from "../overload/limits.ts";

/** Events that are sent together. */
export interface EventBatch {
  /** The number of the first event. */
  readonly first: number;
  /** The number of the last event. */
  readonly last: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The last batches, up to a number of bytes. */
export class EventBatches {
  readonly #maxBytes: number;
  /** Oldest first. */
  readonly #batches: EventBatch[] = [];
  #totalBytes = 0;

  /** @param maxBytes The most bytes; the newest batch is kept in any case. */
  constructor(maxBytes = MAX_RECENT_EVENT_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** The number of the oldest event; `undefined` if there is none. */
  get first(): number | undefined {
    return this.#batches[0]?.first;
  }

  /**
   * The batch that has the event after `position`, which may be in its middle: a
   * client resumes after any event.
   */
  after(position: number): EventBatch | undefined {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#batches[middle]!.last <= position) low = middle + 1;
      else high = middle;
    }
    const batch = this.#batches[low];
    return batch !== undefined && batch.first <= position + 1
      ? batch
      : undefined;
  }

  /**
   * Adds the newest batch and evicts the oldest ones.
   *
   * @returns Whether any was evicted.
   */
  add(batch: EventBatch): boolean {
    const count = this.#batches.push(batch);
    this.#totalBytes += batch.bytes.length;
    while (
      this.#totalBytes > this.#maxBytes && this.#batches.length > 1
    ) this.#totalBytes -= this.#batches.shift()!.bytes.length;
    return this.#batches.length < count;
  }

  clear(): void {
    this.#batches.length = 0;
    this.#totalBytes = 0;
  }
}
