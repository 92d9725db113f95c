/**
 * Bodies that are written while they are read, in slices.
 *
 * @module
 */

import { sliceOf, type Turns } from "../overload/scheduler.ts";

/**
 * A body made of pieces; between two slices of them the packets are let in.
 *
 * @param turns In which it is written.
 */
export function slicedBody(
  pieces: Iterator<string>,
  turns: Turns,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  let isOver = false;
  return new ReadableStream({
    pull: async (controller) => {
      const { text, isLast } = await turns.run(() =>
        isOver ? { text: "", isLast: true } : sliceOf(pieces)
      );
      if (isOver) return;
      if (text !== "") controller.enqueue(encoder.encode(text));
      if (isLast) controller.close();
    },
    cancel: () => {
      isOver = true;
    },
  }, { highWaterMark: 0 });
}
