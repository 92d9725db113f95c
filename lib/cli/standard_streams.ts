/**
 * What commands print on stdout and say on stderr. `console` is no way to do it:
 * it throws where no command expects that, and gives up at a full pipe.
 *
 * @module
 */

import { delay } from "../overload/timeout.ts";
import type { LogSink } from "../telemetry/log.ts";
import { OutputError } from "../watch/output.ts";

/** Milliseconds until a full pipe that does not block is tried again. */
const FULL_PIPE_PAUSE = 10;

/** Milliseconds for the reader of a full pipe that does not block to read. */
export const FULL_PIPE_TIMEOUT = 10_000;

/** Bytes that a pipe takes whole or not at all (PIPE_BUF in pipe(7)). */
const MAX_ATOMIC = 4096;

/** Bytes behind the last line feed that the runtime writes without its buffer. */
const MIN_UNBUFFERED = 1024;

const LINE_FEED = 0x0a;

/**
 * A sink that waits while a non-blocking pipe is full, as the kernel does for a
 * blocking one. A pipe is non-blocking for all of its writers once one of them,
 * such as ssh, has made it so.
 *
 * It writes small pieces. The runtime has a buffer before stdout and says "would
 * block" of bytes that it has written in part, or keeps in that buffer and writes
 * later (Deno 2.6.8 to 2.9.6): a retry would write them twice.
 */
export class WaitingSink implements LogSink {
  readonly #sink: LogSink;
  readonly #timeout: number;

  /**
   * @param sink Such as `Deno.stdout`.
   * @param timeout Milliseconds without progress after which a write fails;
   * without it, a write waits for as long as the pipe is full.
   */
  constructor(sink: LogSink, timeout = Infinity) {
    this.#sink = sink;
    this.#timeout = timeout;
  }

  /**
   * Writes some of the bytes.
   *
   * @param bytes They end with a line feed, or have at least 1,024 bytes behind the
   * last one: a shorter end would be in the runtime's buffer.
   * @returns How many: 1 or more, unless there are none.
   * @throws {Error} if they cannot be written, or not within the timeout.
   */
  async write(bytes: Uint8Array): Promise<number> {
    const piece = bytes.subarray(0, pieceLength(bytes));
    const start = performance.now();
    for (;;) {
      try {
        return await this.#sink.write(piece);
      } catch (error) {
        if (!(error instanceof Deno.errors.WouldBlock)) throw error;
        if (performance.now() - start >= this.#timeout) {
          throw new Error(
            `its reader has read nothing for ${this.#timeout / 1000} s`,
            { cause: error },
          );
        }
      }
      await delay(FULL_PIPE_PAUSE);
    }
  }
}

/**
 * How many bytes go past the runtime's buffer and into a pipe at once: those up to
 * a line feed, or many without one.
 */
function pieceLength(bytes: Uint8Array): number {
  const most = Math.min(bytes.length, MAX_ATOMIC);
  const lines = bytes.subarray(0, most).lastIndexOf(LINE_FEED) + 1;
  if (lines > 0) return lines;
  const rest = bytes.length - most;
  return rest > 0 && rest < MIN_UNBUFFERED
    ? bytes.length - MIN_UNBUFFERED
    : most;
}

/** Prints text on stdout. */
export class Printer {
  readonly #sink: LogSink;
  #isClosed = false;

  /** @param sink Stdout; it is written in one call of `print` at a time. */
  constructor(sink: LogSink) {
    this.#sink = sink;
  }

  /**
   * Prints all of a text, or nothing more once the reader has closed the pipe, as
   * `head` does: that is no error for the user.
   *
   * @param text It ends as {@linkcode WaitingSink.write} needs it.
   * @throws {OutputError} if the text cannot be written for another reason.
   */
  async print(text: string): Promise<void> {
    if (this.#isClosed) return;
    try {
      await writeText(this.#sink, text);
    } catch (error) {
      const wrong = new OutputError(error as Error);
      if (!wrong.isClosed) throw wrong;
      this.#isClosed = true;
    }
  }
}

/** Says sentences on stderr. */
export class Speaker {
  readonly #sink: LogSink;
  #last: Promise<void> = Promise.resolve();

  /** @param sink Stderr. */
  constructor(sink: LogSink) {
    this.#sink = sink;
  }

  /**
   * Says a sentence in a line of its own, behind those of earlier calls.
   *
   * @returns Resolves when it is written, or cannot be: there is no other place
   * to say so, and the exit code of the command is still to come.
   */
  say(sentence: string): Promise<void> {
    return this.#last = this.#last.then(() =>
      writeText(this.#sink, `${sentence}\n`)
    ).catch(() => {});
  }

  /** Resolves when all sentences so far are written, or cannot be. */
  flush(): Promise<void> {
    return this.#last;
  }
}

async function writeText(sink: LogSink, text: string): Promise<void> {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(await sink.write(bytes));
}
