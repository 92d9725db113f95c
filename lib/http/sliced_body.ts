/**
 * Response bodies that are written in slices while the client reads.
 *
 * @module
 */

import { type CooperativeScheduler, takeSlice } from "../overload/scheduler.ts";

/**
 * A body of many pieces of text. The event loop handles packets between two
 * slices of them.
 *
 * @param scheduler Schedules the slices.
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
