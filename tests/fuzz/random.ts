/** Pseudorandom numbers from a seed. */

/** xoshiro128**: 32 bits per call, with a period of 2^128 - 1. */
export class Random {
  readonly #state = new Uint32Array(4);

  /** @param seed Any integer. */
  constructor(seed: number) {
    // splitmix32: similar seeds lead to different states.
    let mixed = seed >>> 0;
    for (let index = 0; index < 4; index++) {
      mixed = mixed + 0x9e37_79b9 >>> 0;
      let word = mixed ^ mixed >>> 16;
      word = Math.imul(word, 0x21f0_aaad);
      word = Math.imul(word ^ word >>> 15, 0x735a_2d97);
      this.#state[index] = word ^ word >>> 15;
    }
  }

  /** 0 to 2^32 - 1 */
  next(): number {
    const state = this.#state;
    const five = Math.imul(state[1]!, 5);
    const result = Math.imul(five << 7 | five >>> 25, 9) >>> 0;
    const shifted = state[1]! << 9;
    state[2]! ^= state[0]!;
    state[3]! ^= state[1]!;
    state[1]! ^= state[2]!;
    state[0]! ^= state[3]!;
    state[2]! ^= shifted;
    state[3] = state[3]! << 11 | state[3]! >>> 21;
    return result;
  }

  /** 0 to `limit` - 1; `limit` is at least 1. */
  below(limit: number): number {
    return this.next() % limit;
  }

  /** True with a probability of 1 / `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  /** An element of `list`, which is not empty. */
  pick<Item>(list: readonly Item[]): Item {
    return list[this.below(list.length)]!;
  }

  /** `length` random bytes. */
  octets(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index++) bytes[index] = this.next();
    return bytes;
  }
}
