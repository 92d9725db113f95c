/**
 * The log: one line for each thing that an operator cares about, on stderr.
 *
 * Lines wait in a bounded queue for one asynchronous writer, so that a reader
 * of stderr that has stalled costs lines, never packets.
 *
 * @module
 */

import {
  MAX_LOG_LINES_A_MINUTE,
  MAX_LOG_QUEUE,
  MAX_SHOWN_CHARACTERS,
} from "./limits.ts";

/** How much a line matters; `debug` lines are for one packet each. */
export const LOG_LEVELS = ["error", "warning", "info", "debug"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

/** Text for people, JSON for collectors. */
export const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = typeof LOG_FORMATS[number];

/** What a line tells besides its sentence. */
export type LogFields = Readonly<
  Record<string, string | number | boolean | null | undefined>
>;

/** Where lines go: what `Deno.stderr` is. */
export interface LogSink {
  write(bytes: Uint8Array): Promise<number>;
}

const CONTROL_OR_BIDIRECTIONAL =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * A string that a client sent, fit to be shown: control and bidirectional
 * characters escaped, cut at {@linkcode MAX_SHOWN_CHARACTERS} characters.
 */
export function shown(text: string): string {
  const cut = text.length > MAX_SHOWN_CHARACTERS
    ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…`
    : text;
  return cut.replace(
    CONTROL_OR_BIDIRECTIONAL,
    (character) =>
      `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const MINUTE = 60_000;

/** Writes the log. */
export class Log {
  readonly #sink: LogSink;
  readonly #format: LogFormat;
  readonly #level: number;
  #queue: string[] = [];
  #writing: Promise<void> | undefined;
  #lost = 0;
  #minute = 0;
  #linesThisMinute = 0;
  #heldBack = 0;

  /**
   * @param format How lines look.
   * @param level The least important level that is written.
   * @param sink Where they go.
   */
  constructor(format: LogFormat, level: LogLevel, sink: LogSink) {
    this.#format = format;
    this.#level = LOG_LEVELS.indexOf(level);
    this.#sink = sink;
  }

  /** Whether lines of this level are written: ask before making a costly one. */
  writes(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) <= this.#level;
  }

  /** What cannot go on. */
  error(event: string, message: string, fields?: LogFields): void {
    this.#add("error", event, message, fields);
  }

  /** What somebody should look at. */
  warning(event: string, message: string, fields?: LogFields): void {
    this.#add("warning", event, message, fields);
  }

  /** What has changed. */
  info(event: string, message: string, fields?: LogFields): void {
    this.#add("info", event, message, fields);
  }

  /** What a packet did. */
  debug(event: string, message: string, fields?: LogFields): void {
    this.#add("debug", event, message, fields);
  }

  /** Waits until what has been logged is written, but not longer than `milliseconds`. */
  async flush(milliseconds: number): Promise<void> {
    let timer: number | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds);
    });
    await Promise.race([this.#writing, timeout]);
    clearTimeout(timer);
  }

  #add(
    level: LogLevel,
    event: string,
    message: string,
    fields: LogFields = {},
  ): void {
    if (!this.writes(level)) return;
    const now = Date.now();
    const minute = Math.floor(now / MINUTE);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#linesThisMinute = 0;
      if (this.#heldBack > 0) {
        this.#enqueue(
          now,
          "warning",
          "log_lines_held_back",
          `${this.#heldBack} lines more than ${MAX_LOG_LINES_A_MINUTE} in a minute were not written`,
          { lines: this.#heldBack },
        );
        this.#heldBack = 0;
      }
    }
    // debug is asked for by somebody who wants to see every packet
    if (level !== "debug" && ++this.#linesThisMinute > MAX_LOG_LINES_A_MINUTE) {
      this.#heldBack++;
      return;
    }
    if (this.#queue.length >= MAX_LOG_QUEUE) this.#lost++;
    else this.#enqueue(now, level, event, message, fields);
  }

  #enqueue(
    now: number,
    level: LogLevel,
    event: string,
    message: string,
    fields: LogFields,
  ): void {
    const time = new Date(now).toISOString();
    this.#queue.push(
      this.#format === "json"
        ? `${JSON.stringify({ time, level, event, message, ...fields })}\n`
        : `${time} ${level.padEnd(7)} ${message}\n`,
    );
    this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    const encoder = new TextEncoder();
    try {
      while (this.#queue.length > 0) {
        const lines = this.#queue;
        this.#queue = [];
        let bytes = encoder.encode(lines.join(""));
        while (bytes.length > 0) {
          bytes = bytes.subarray(await this.#sink.write(bytes));
        }
        if (this.#lost > 0) {
          const lost = this.#lost;
          this.#lost = 0;
          this.#enqueue(
            Date.now(),
            "warning",
            "log_lines_lost",
            `${lost} lines were lost: whatever reads this log had stalled`,
            { lines: lost },
          );
        }
      }
    } catch {
      // Nobody reads the log any more: there is no place left to say so.
    } finally {
      this.#writing = undefined;
    }
  }
}
