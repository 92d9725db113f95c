/**
 * Response bodies that are written in slices while the client reads.
 *
 * @module
 */

import { type CooperativeScheduler, takeSlice } from "../overload/scheduler.ts";
import type { BodySource } from "./body_source.ts";

/**
 * A body of many pieces of text. The event loop handles packets between two
 * slices of them.
 *
 * @param scheduler Schedules the slices.
 */
export function slicedBody(
  pieces: Iterator<string>,
  scheduler: CooperativeScheduler,
): BodySource {
  const encoder = new TextEncoder();
  let isOver = false;
  return {
    pull: async (sink) => {
      const { text, isLast } = await scheduler.run(() =>
        isOver ? { text: "", isLast: true } : takeSlice(pieces)
      );
      if (isOver) return;
      const chunk = encoder.encode(text);
      if (isLast) sink.last(chunk);
      else sink.enqueue(chunk);
    },
    cancel: () => {
      isOver = true;
    },
  };
}
