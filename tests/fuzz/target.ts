/** What is fuzzed, and what must be so whatever comes in. */

import type { Random } from "./random.ts";

/** Something that must be so. One line of the report. */
export class Invariant {
  /** How often it was looked at. */
  checked = 0;

  /** @param name A sentence. */
  constructor(readonly name: string) {}

  /** Looks at it once more. */
  holds(condition: boolean, detail?: () => unknown): void {
    this.checked++;
    if (!condition) throw new Violation(this, detail);
  }
}

/** An invariant that did not hold. */
export class Violation extends Error {
  override name = "Violation";

  constructor(readonly invariant: Invariant, detail?: () => unknown) {
    const seen = detail?.();
    super(
      seen === undefined
        ? invariant.name
        : `${invariant.name}: ${
          typeof seen === "string" ? seen : Deno.inspect(seen, { depth: 9 })
        }`,
    );
  }
}

/**
 * A part of the program that takes bytes. Every input is bytes, even where
 * they stand for a text or a sequence of steps, so that one engine changes,
 * keeps and shortens all of them.
 */
export interface Target {
  readonly name: string;
  /** How many of its inputs are run for each one of the slowest target. */
  readonly weight: number;
  /** Longest input, in bytes. */
  readonly maxLength: number;
  readonly invariants: readonly Invariant[];
  /** Inputs that the corpus begins with, besides its file. */
  readonly seeds: readonly Uint8Array[];
  /** What mutation puts in, whole. */
  readonly words: readonly Uint8Array[];
  /** A new input out of nothing. */
  make(random: Random): Uint8Array;
  /** A change that knows the format; without it there are only blind ones. */
  change?(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array;
  /**
   * Runs an input. Returns what it did, in short: an input that does what none
   * did before is kept.
   *
   * @throws {Violation} if an invariant did not hold.
   */
  run(input: Uint8Array): string | Promise<string>;
  /** Takes away what it made. */
  close?(): Promise<void>;
}

/** What people read for an input, and give back with `--input`. */
export function inputText(input: Uint8Array): string {
  return input.toHex();
}
