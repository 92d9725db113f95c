/**
 * The log: one line for each thing that an operator cares about, on stderr.
 *
 * Lines wait in a bounded queue for one asynchronous writer, so that a reader
 * of stderr that has stalled costs lines, never packets.
 *
 * @module
 */

import {
  MAX_LOG_LINES_PER_MINUTE,
  MAX_LOG_QUEUE,
  MAX_LOG_RESERVE,
  MAX_WARNINGS_PER_MINUTE,
} from "../overload/limits.ts";
import { waitAtMost } from "../overload/timeout.ts";

export { escapeControls } from "../../assets/shared/escape_controls.js";

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

const MINUTE = 60_000;

/** Writes the log. */
export class Log {
  readonly #sink: LogSink;
  readonly #format: LogFormat;
  readonly #level: number;
  /** Lines that were lost to a reader that had stalled. */
  lostInAll = 0;
  /** Lines that were not written for being too many. */
  heldBackInAll = 0;
  #queue: string[] = [];
  #writing: Promise<void> | undefined;
  #lost = 0;
  #minute = 0;
  #linesThisMinute = 0;
  /** How often each warning and error was written in this minute. */
  readonly #warnings = new Map<string, number>();
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

  /**
   * Whether a line about one of very many machines may be written now: to be
   * asked before it is made. One that may not is counted. What somebody should
   * look at is never held back for what is merely new, and debug is asked for by
   * somebody who wants to see every packet.
   */
  admits(level: LogLevel): boolean {
    if (!this.writes(level)) return false;
    if (level !== "info") return true;
    this.#rollMinute(Date.now());
    if (this.#linesThisMinute < MAX_LOG_LINES_PER_MINUTE) {
      this.#linesThisMinute++;
      return true;
    }
    this.#holdBack();
    return false;
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
    await waitAtMost(milliseconds, this.#writing);
  }

  #add(
    level: LogLevel,
    event: string,
    message: string,
    fields: LogFields = {},
  ): void {
    if (!this.writes(level)) return;
    const now = Date.now();
    this.#rollMinute(now);
    const isImportant = level === "warning" || level === "error";
    if (isImportant) {
      const count = this.#warnings.get(event) ?? 0;
      if (count >= MAX_WARNINGS_PER_MINUTE) return this.#holdBack();
      this.#warnings.set(event, count + 1);
    }
    const room = MAX_LOG_QUEUE + (isImportant ? MAX_LOG_RESERVE : 0);
    if (this.#queue.length >= room) {
      this.#lost++;
      this.lostInAll++;
      // The last try may have failed.
      this.#writing ??= this.#write();
    } else this.#enqueue(now, level, event, message, fields);
  }

  #holdBack(): void {
    this.#heldBack++;
    this.heldBackInAll++;
  }

  /** Begins another minute's budget, and says what was held back in the last. */
  #rollMinute(now: number): void {
    const minute = Math.floor(now / MINUTE);
    if (minute === this.#minute) return;
    this.#minute = minute;
    this.#linesThisMinute = 0;
    this.#warnings.clear();
    const lines = this.#heldBack;
    if (lines === 0) return;
    this.#heldBack = 0;
    this.#enqueue(
      now,
      "warning",
      "log_lines_held_back",
      `${lines} lines were not written: there were more than ${MAX_LOG_LINES_PER_MINUTE} in a minute, or more than ${MAX_WARNINGS_PER_MINUTE} of one warning`,
      { lines },
    );
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
