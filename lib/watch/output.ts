/**
 * Writes lines in order, no faster than their reader takes them.
 *
 * @module
 */

import type { LogSink } from "../telemetry/log.ts";

/** Lines in one write. */
const BATCH = 500;

/** Lines cannot be written. */
export class OutputError extends Error {
  override name = "OutputError";
  /** Whether the reader closed the pipe, which is no error for the user. */
  readonly isClosed: boolean;

  constructor(cause: Error) {
    super(`cannot write to stdout: ${cause.message}`, { cause });
    this.isClosed = cause instanceof Deno.errors.BrokenPipe;
  }
}

/** Writes lines to a sink. */
export class Output {
  readonly #sink: LogSink;
  readonly #encoder = new TextEncoder();
  readonly #broken = Promise.withResolvers<never>();
  #last: Promise<void> = Promise.resolve();

  constructor(sink: LogSink) {
    this.#sink = sink;
    this.broken.catch(() => {});
  }

  /** Rejects with an {@linkcode OutputError} when a write fails. */
  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  /**
   * Writes lines without those of another call in between.
   *
   * @throws {OutputError} if a write fails, now or in an earlier call.
   */
  write(lines: Iterable<string>): Promise<void> {
    const written = this.#last.then(() => this.#writeAll(lines));
    // Callers that await it get the error.
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
