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
  readonly bytes: Uint8Array;
}

/** The last batches, up to {@linkcode MAX_RECENT_EVENT_BYTES} bytes. */
export class EventBatches {
  /** Oldest first. */
  readonly #batches: EventBatch[] = [];
  #totalBytes = 0;

  /** The number of the oldest event; `undefined` if there is none. */
  get first(): number | undefined {
    return this.#batches[0]?.first;
  }

  /** The batch that continues after the event with this number. */
  after(position: number): EventBatch | undefined {
    const batch = this.#batches[this.#indexAfter(position)];
    return batch?.first === position + 1 ? batch : undefined;
  }

  /**
   * The first event of the next batch that begins after the event with this
   * number, which may be in the middle of a batch; `undefined` if none does.
   */
  nextFirst(position: number): number | undefined {
    return this.#batches[this.#indexAfter(position)]?.first;
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
      this.#totalBytes > MAX_RECENT_EVENT_BYTES && this.#batches.length > 1
    ) this.#totalBytes -= this.#batches.shift()!.bytes.length;
    return this.#batches.length < count;
  }

  /** The index of the oldest batch that begins after an event. */
  #indexAfter(position: number): number {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#batches[middle]!.first <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  clear(): void {
    this.#batches.length = 0;
    this.#totalBytes = 0;
  }
}
