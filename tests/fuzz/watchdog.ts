/** Reports the input that never returns, from another thread. */

import { watchdogProgram } from "./watchdog_program.ts";

/** Maximum number of reported bytes of an input. */
const MAX_TOLD = 65_536;

/** Numbers before the input: a counter, the lengths of name and input. */
const HEADER = 12;

/** Ends the program when one input takes too long. */
export class Watchdog {
  readonly #shared = new SharedArrayBuffer(HEADER + 256 + MAX_TOLD);
  readonly #numbers = new Int32Array(this.#shared, 0, 3);
  readonly #octets = new Uint8Array(this.#shared, HEADER);
  readonly #worker: Worker;
  #name = "";

  constructor() {
    this.#worker = watchdogProgram();
    this.#worker.postMessage(this.#shared);
  }

  /** Records the input that is run next. */
  sees(name: string, input: Uint8Array): void {
    if (name !== this.#name) {
      this.#name = name;
      this.#numbers[1] = new TextEncoder().encodeInto(name, this.#octets)
        .written;
    }
    const told = input.subarray(0, MAX_TOLD);
    this.#octets.set(told, this.#numbers[1]!);
    this.#numbers[2] = told.length;
    this.#numbers[0]!++;
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
