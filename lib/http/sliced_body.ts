/**
 * Bodies that are written while they are read, in slices.
 *
 * @module
 */

import { MAX_WRITTEN_BODIES } from "../limits.ts";
import { sliceOf, type Turns } from "../turns.ts";
import { sentence } from "./respond.ts";

/** All bodies that are being written. */
export class SlicedBodies {
  /** How many there are; each has a connection. */
  active = 0;

  readonly #turns: Turns;

  /** @param turns In which they are written. */
  constructor(turns: Turns) {
    this.#turns = turns;
  }

  /**
   * A body made of pieces; between two slices of them the packets are let in.
   * `undefined` if too many are being written.
   */
  open(
    pieces: Iterator<string>,
  ): ReadableStream<Uint8Array<ArrayBuffer>> | undefined {
    if (this.active >= MAX_WRITTEN_BODIES) return undefined;
    const encoder = new TextEncoder();
    let hasBegun = false;
    let isOver = false;
    const end = () => {
      if (hasBegun && !isOver) this.active--;
      isOver = true;
    };
    return new ReadableStream({
      pull: async (controller) => {
        // One that nobody reads, of a HEAD, counts for nothing.
        if (!hasBegun) {
          hasBegun = true;
          this.active++;
        }
        const { text, isLast } = await this.#turns.run(() =>
          isOver ? { text: "", isLast: true } : sliceOf(pieces)
        );
        if (isOver) return;
        if (text !== "") controller.enqueue(encoder.encode(text));
        if (!isLast) return;
        controller.close();
        end();
      },
      cancel: end,
    }, { highWaterMark: 0 });
  }
}

/** What whoever asks is told when too many are being written. */
export function tooManyReaders(): Response {
  return sentence(503, "too many are being answered already", {
    "retry-after": "10",
  });
}
