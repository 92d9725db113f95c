/**
 * Bodies that are written while they are read, in slices.
 *
 * @module
 */

import { MAX_WRITTEN_BODIES, MAX_WRITTEN_BODIES_OF_ONE } from "../limits.ts";
import { Places } from "../places.ts";
import { sliceOf, type Turns } from "../turns.ts";
import { sentence } from "./respond.ts";

/** All bodies that are being written. */
export class SlicedBodies {
  /** Of those who have one. */
  readonly places: Places;

  readonly #turns: Turns;

  /**
   * @param turns In which they are written.
   * @param hasRoom Whether one more can be had now.
   */
  constructor(turns: Turns, hasRoom?: () => boolean) {
    this.#turns = turns;
    this.places = new Places({
      all: MAX_WRITTEN_BODIES,
      ofOne: MAX_WRITTEN_BODIES_OF_ONE,
      hasRoom,
    });
  }

  /**
   * A body made of pieces; between two slices of them the packets are let in.
   * Whoever does not read it must cancel it. `undefined` if too many are being
   * written.
   */
  open(
    pieces: Iterator<string>,
    client: string,
  ): ReadableStream<Uint8Array<ArrayBuffer>> | undefined {
    const leave = this.places.take(client);
    if (leave === undefined) return undefined;
    const encoder = new TextEncoder();
    let isOver = false;
    const end = () => {
      isOver = true;
      leave();
    };
    return new ReadableStream({
      pull: async (controller) => {
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
