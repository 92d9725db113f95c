/**
 * Where the lines go: one after the other, no faster than they are read.
 *
 * @module
 */

import type { LogSink } from "../telemetry/log.ts";

/** Lines that are written at once. */
const BATCH = 500;

/** Lines cannot be written any more. */
export class OutputError extends Error {
  override name = "OutputError";
  /** Whether nobody reads them any more, which is no mistake of anybody's. */
  readonly isClosed: boolean;

  constructor(cause: Error) {
    super(`the lines cannot be written: ${cause.message}`, { cause });
    this.isClosed = cause instanceof Deno.errors.BrokenPipe;
  }
}

/** Writes lines. */
export class Output {
  readonly #sink: LogSink;
  readonly #encoder = new TextEncoder();
  readonly #broken = Promise.withResolvers<never>();
  #last: Promise<void> = Promise.resolve();

  constructor(sink: LogSink) {
    this.#sink = sink;
    this.broken.catch(() => {});
  }

  /** Rejected with an {@linkcode OutputError} when lines cannot be written. */
  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  /**
   * Writes lines with none of another call's between them. Settled when they
   * are written; rejected, like every later call, when they cannot be.
   */
  write(lines: Iterable<string>): Promise<void> {
    const written = this.#last.then(() => this.#writeAll(lines));
    // whoever waits for it hears of it
    written.catch(() => {});
    return this.#last = written;
  }

  async #writeAll(lines: Iterable<string>): Promise<void> {
    let batch: string[] = [];
    for (const line of lines) {
      batch.push(line);
      if (batch.length < BATCH) continue;
      await this.#writeBatch(batch);
      batch = [];
    }
    if (batch.length > 0) await this.#writeBatch(batch);
  }

  async #writeBatch(batch: readonly string[]): Promise<void> {
    let bytes = this.#encoder.encode(`${batch.join("\n")}\n`);
    while (bytes.length > 0) {
      try {
        bytes = bytes.subarray(await this.#sink.write(bytes));
      } catch (error) {
        const wrong = new OutputError(error as Error);
        this.#broken.reject(wrong);
        throw wrong;
      }
    }
  }
}
