/**
 * The signals of the process. It has no other imports, so that signals are
 * handled before the other modules are loaded.
 *
 * @module
 */

/** Signals that end the process in order, with their numbers. */
const ENDING = { SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;

/** Signals that mean nothing to a daemon, and would end it by default. */
const IGNORED = ["SIGUSR1", "SIGUSR2"] as const;

/** What a shell adds to the number of a signal that ended a process. */
const SIGNAL_EXIT = 128;

const SIGHUP = 1;

/** Handles signals from its construction on. */
export class Signals {
  /** Resolves at SIGTERM, SIGINT or SIGQUIT, to the number. */
  readonly ended: Promise<number>;
  #onHangup: (() => void) | undefined;
  #isHangupPending = false;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.ended = promise;
    for (const [signal, number] of Object.entries(ENDING)) {
      Deno.addSignalListener(signal as Deno.Signal, () => resolve(number));
    }
    for (const signal of IGNORED) Deno.addSignalListener(signal, () => {});
    Deno.addSignalListener("SIGHUP", () => {
      if (this.#onHangup === undefined) this.#isHangupPending = true;
      else this.#onHangup();
    });
  }

  /** Calls `callback` at each SIGHUP, and at once if one has come before. */
  onHangup(callback: () => void): void {
    this.#onHangup = callback;
    if (!this.#isHangupPending) return;
    this.#isHangupPending = false;
    callback();
  }

  /** Lets each of the signals end the process, as by default. */
  exitAtOnce(): void {
    void this.ended.then((number) => Deno.exit(SIGNAL_EXIT + number));
    this.onHangup(() => Deno.exit(SIGNAL_EXIT + SIGHUP));
  }
}
