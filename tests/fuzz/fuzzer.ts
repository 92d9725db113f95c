/** Runs inputs through targets and keeps those with new behavior. */

import { effortOfWaiting } from "./cpu_time.ts";
import { changed, minimised } from "./mutate.ts";
import type { Random } from "./random.ts";
import { Invariant, type Target, Violation } from "./target.ts";

/** Inputs of one target that are kept in memory. */
const MAX_CORPUS = 4096;

/** Kinds of behavior of one target that are distinguished. */
const MAX_BEHAVIOURS = 100_000;

/** Maximum number of mutations of one input. */
const MAX_CHANGES = 5;

/** Milliseconds that one input may take. */
const PATIENCE = 50;

/** An invariant that an input violates. */
export interface Failure {
  readonly invariant: Invariant;
  /** Minimized. */
  readonly input: Uint8Array;
  readonly error: Error;
}

/** Fuzzes one target. */
export class Fuzzer {
  /** Number of inputs run. */
  inputs = 0;
  /** Their time in milliseconds. */
  elapsed = 0;
  /** The first failure of each invariant. */
  readonly failures: Map<Invariant, Failure> = new Map();
  /** Inputs with behavior that no earlier input had. */
  readonly corpus: Uint8Array[] = [];

  readonly target: Target;
  readonly throwsNothing = new Invariant("nothing is thrown");
  readonly isQuick = new Invariant(`an input takes less than ${PATIENCE} ms`);
  readonly #random: Random;
  readonly #behaviours = new Set<string>();
  /** Gets each input before it is run: it may never return. */
  readonly #onInput: (target: Target, input: Uint8Array) => void;

  constructor(
    target: Target,
    random: Random,
    onInput: (target: Target, input: Uint8Array) => void = () => {},
  ) {
    this.target = target;
    this.#random = random;
    this.#onInput = onInput;
  }

  /** All invariants that are checked. */
  get invariants(): readonly Invariant[] {
    return [...this.target.invariants, this.throwsNothing, this.isQuick];
  }

  /** Number of kinds of behavior seen. */
  get behaviours(): number {
    return this.#behaviours.size;
  }

  /** Runs given inputs. */
  async seed(inputs: readonly Uint8Array[]): Promise<void> {
    for (const input of inputs) await this.try(input);
  }

  /** Generates and runs `count` inputs. */
  async step(count: number): Promise<void> {
    for (let index = 0; index < count; index++) await this.try(this.#make());
  }

  /** Runs one input and keeps it if its behavior is new. */
  async try(input: Uint8Array): Promise<void> {
    this.inputs++;
    const start = performance.now();
    const behaviour = await this.#run(input);
    this.elapsed += performance.now() - start;
    if (typeof behaviour !== "string") {
      await this.#fail(behaviour, input);
    } else if (
      !this.#behaviours.has(behaviour) &&
      this.#behaviours.size < MAX_BEHAVIOURS
    ) {
      this.#behaviours.add(behaviour);
      if (this.corpus.length < MAX_CORPUS) this.corpus.push(input);
      else this.corpus[this.#random.below(MAX_CORPUS)] = input;
    }
  }

  /** The behavior of an input; similar inputs have the same. */
  async behaviourOf(input: Uint8Array): Promise<string | undefined> {
    const behaviour = await this.#run(input);
    return typeof behaviour === "string" ? behaviour : undefined;
  }

  #make(): Uint8Array {
    const random = this.#random;
    const { target, corpus } = this;
    if (corpus.length === 0 || random.once(8)) return target.make(random);
    let input = random.pick(corpus);
    for (let left = 1 + random.below(MAX_CHANGES); left > 0; left--) {
      const other = random.pick(corpus);
      input = target.change !== undefined && !random.once(3)
        ? target.change(random, input, other)
        : changed(random, input, other, target.words);
    }
    return input.length > target.maxLength
      ? input.slice(0, target.maxLength)
      : input;
  }

  /** Its behavior, or the violated invariant. */
  async #run(
    input: Uint8Array,
  ): Promise<string | { invariant: Invariant; error: Error }> {
    this.#onInput(this.target, input);
    try {
      const start = performance.now();
      const pending = this.target.run(input);
      const behaviour = typeof pending === "string" ? pending : await pending;
      this.throwsNothing.checked++;
      const took = performance.now() - start;
      this.isQuick.holds(
        took < PATIENCE ||
          await effortOfWaiting(() => this.target.run(input)) < PATIENCE,
        () => `${Math.round(took)} ms`,
      );
      return behaviour;
    } catch (thrown) {
      const error = thrown as Error;
      return error instanceof Violation
        ? { invariant: error.invariant, error }
        : { invariant: this.throwsNothing, error };
    }
  }

  async #fail(
    { invariant, error }: { invariant: Invariant; error: Error },
    input: Uint8Array,
  ): Promise<void> {
    if (this.failures.has(invariant)) return;
    // Recorded first: minimizing runs the input again.
    this.failures.set(invariant, { invariant, input, error });
    let shortest = error;
    const shortened = await minimised(input, async (candidate) => {
      const outcome = await this.#run(candidate);
      if (typeof outcome === "string" || outcome.invariant !== invariant) {
        return false;
      }
      shortest = outcome.error;
      return true;
    });
    this.failures.set(invariant, {
      invariant,
      input: shortened,
      error: shortest,
    });
  }
}
