/** Fuzz targets and their invariants. */

import type { Random } from "./random.ts";

/** An invariant: one line of the report. */
export class Invariant {
  /** Number of checks. */
  checked = 0;

  /** @param name A sentence. */
  constructor(readonly name: string) {}

  /** Checks it. */
  holds(condition: boolean, detail?: () => unknown): void {
    this.checked++;
    if (!condition) throw new Violation(this, detail);
  }
}

/** A violated invariant. */
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
 * A part of the program that is fuzzed. All inputs are bytes, even if they
 * represent text or a sequence of steps, so that one engine mutates, stores and
 * minimizes them.
 */
export interface Target {
  readonly name: string;
  /** Number of inputs run for each input of the slowest target. */
  readonly weight: number;
  /** Maximum length of an input in bytes. */
  readonly maxLength: number;
  readonly invariants: readonly Invariant[];
  /** Initial inputs, besides the file of the corpus. */
  readonly seeds: readonly Uint8Array[];
  /** Tokens that mutations insert. */
  readonly words: readonly Uint8Array[];
  /** Generates an input. */
  make(random: Random): Uint8Array;
  /** A mutation that knows the format, besides those that do not. */
  change?(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array;
  /**
   * Runs an input. Returns what it did, in short: an input that does what none
   * did before is kept.
   *
   * @throws {Violation} if an invariant did not hold.
   */
  run(input: Uint8Array): string | Promise<string>;
  /** Removes temporary files. */
  close?(): Promise<void>;
}

/** The form of an input in messages and in `--input`. */
export function inputText(input: Uint8Array): string {
  return input.toHex();
}
