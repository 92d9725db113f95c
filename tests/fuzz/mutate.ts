/** Mutations of bytes that know nothing of the format. */

import type { Random } from "./random.ts";

const INTERESTING = [0, 1, 2, 4, 8, 16, 32, 64, 127, 128, 254, 255];

/** `input` with the bytes from `start` to `end` replaced. */
export function spliced(
  input: Uint8Array,
  start: number,
  end: number,
  middle: Uint8Array,
): Uint8Array {
  const result = new Uint8Array(
    start + middle.length + Math.max(0, input.length - end),
  );
  result.set(input.subarray(0, start));
  result.set(middle, start);
  result.set(input.subarray(end), start + middle.length);
  return result;
}

function piece(random: Random, input: Uint8Array): Uint8Array {
  const start = random.below(input.length + 1);
  return input.subarray(start, start + random.below(32));
}

/** `input` with one mutation. */
export function changed(
  random: Random,
  input: Uint8Array,
  other: Uint8Array,
  words: readonly Uint8Array[],
): Uint8Array {
  const at = random.below(input.length + 1);
  const result = input.slice();
  switch (random.below(words.length > 0 ? 11 : 9)) {
    case 0: // a bit
      if (at < result.length) result[at]! ^= 1 << random.below(8);
      return result;
    case 1: // a byte
      if (at < result.length) result[at] = random.next();
      return result;
    case 2: // an extreme byte
      if (at < result.length) result[at] = random.pick(INTERESTING);
      return result;
    case 3: // a number, slightly changed
      if (at < result.length) result[at]! += random.below(9) - 4;
      return result;
    case 4:
      return input.slice(0, at);
    case 5: // a deletion
      return spliced(input, at, at + 1 + random.below(16), new Uint8Array(0));
    case 6: // a duplication
      return spliced(input, at, at, piece(random, input));
    case 7: // a part of another input
      return spliced(input, at, at + random.below(16), piece(random, other));
    case 8: // the beginning of one and the end of the other
      return spliced(
        input,
        at,
        input.length,
        other.subarray(random.below(other.length + 1)),
      );
    case 9:
      return spliced(input, at, at, random.pick(words));
    default: {
      const word = random.pick(words);
      return spliced(input, at, at + word.length, word);
    }
  }
}

/** Encodes text. */
export function octetsOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Decodes text; invalid UTF-8 becomes replacement characters. */
export function textOf(input: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(input);
}

/** Maximum number of attempts to minimize an input. */
const MAX_ATTEMPTS = 4000;

/**
 * Minimizes an input for which `isLike` holds: removes parts, large ones first,
 * then replaces bytes with zero.
 */
export async function minimised(
  input: Uint8Array,
  isLike: (input: Uint8Array) => Promise<boolean>,
): Promise<Uint8Array> {
  let best = input;
  let attempts = 0;
  const attempt = async (candidate: Uint8Array): Promise<boolean> => {
    if (attempts >= MAX_ATTEMPTS) return false;
    attempts++;
    if (!await isLike(candidate)) return false;
    best = candidate;
    return true;
  };
  let size = Math.max(1, best.length >> 1);
  while (attempts < MAX_ATTEMPTS) {
    let isSmaller = false;
    for (let at = 0; at < best.length;) {
      const candidate = spliced(best, at, at + size, new Uint8Array(0));
      if (await attempt(candidate)) isSmaller = true;
      else at += size;
    }
    if (size > 1) size >>= 1;
    else if (!isSmaller) break;
  }
  for (let at = 0; at < best.length; at++) {
    if (best[at] === 0) continue;
    const candidate = best.slice();
    candidate[at] = 0;
    await attempt(candidate);
  }
  return best;
}
