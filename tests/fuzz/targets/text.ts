/** Inputs that are texts. */

import type { Random } from "../random.ts";
import { octetsOf } from "../mutate.ts";

/** Octets of each text. */
export function texts(...list: readonly string[]): Uint8Array[] {
  return list.map(octetsOf);
}

/** A text of words and odd characters. */
export function anyText(
  random: Random,
  words: readonly Uint8Array[],
): Uint8Array {
  const parts: number[] = [];
  for (let left = random.below(10); left > 0; left--) {
    if (random.once(3)) {
      parts.push(random.once(4) ? random.below(256) : 32 + random.below(95));
    } else parts.push(...random.pick(words));
  }
  return Uint8Array.from(parts);
}

/** What acts instead of being seen; U+202E turns what follows around. */
const ACTS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Whether a line can be shown as it is. */
export function isShowable(text: string): boolean {
  return !ACTS.test(text);
}
