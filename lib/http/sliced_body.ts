/**
 * Bodies that are written while they are read, in slices.
 *
 * @module
 */

import { type CooperativeScheduler, takeSlice } from "../overload/scheduler.ts";

/**
 * A body made of pieces; between two slices of them the packets are let in.
 *
 * @param scheduler In which it is written.
 */
export function slicedBody(
  pieces: Iterator<string>,
  scheduler: CooperativeScheduler,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  let isOver = false;
  return new ReadableStream({
    pull: async (controller) => {
      const { text, isLast } = await scheduler.run(() =>
        isOver ? { text: "", isLast: true } : takeSlice(pieces)
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
