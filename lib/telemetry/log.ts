/**
 * The log: one line for each event that an operator cares about, on stderr.
 *
 * Lines wait in a bounded queue for one asynchronous writer: a reader of stderr
 * that stalls costs log lines, never packets.
 *
 * @module
 */

import {
  MAX_LOG_LINES_PER_MINUTE,
  MAX_LOG_QUEUE,
  MAX_LOG_RESERVE,
  MAX_WARNINGS_PER_MINUTE,
} from "../overload/limits.ts";
import { delay, waitAtMost } from "../overload/timeout.ts";
import { MINUTE, Throttle } from "./throttle.ts";

/** Milliseconds until a full pipe that does not block is tried again. */
const FULL_PIPE_PAUSE = 50;

const LINE_FEED = 0x0a;

/** Why lines are lost, usually. */
const STALLED = "the reader of stderr had stalled";

/** Levels, the most important first; `debug` adds a line for each packet. */
export const LOG_LEVELS = ["error", "warning", "info", "debug"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

/** Text for people, JSON for log collectors. */
export const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = typeof LOG_FORMATS[number];

/** The priorities of syslog that the journal takes from a line's beginning. */
const PRIORITIES: Readonly<Record<LogLevel, number>> = {
  error: 3,
  warning: 4,
  info: 6,
  debug: 7,
};

/**
 * What the journal reads a line's priority from (sd-daemon(3)).
 *
 * @example `<4>` for a warning.
 */
export function priorityPrefix(level: LogLevel): string {
  return `<${PRIORITIES[level]}>`;
}

/** What a line carries besides its message. */
export type LogFields = Readonly<
  Record<string, string | number | boolean | null | undefined>
>;

/** Where lines go, such as `Deno.stderr`. */
export interface LogSink {
  write(bytes: Uint8Array): Promise<number>;
}

/** How often a line that repeats is written. */
export interface ThrottleOptions {
  /** What the line is about, such as an address; none: the event itself. */
  readonly key?: string;
  /** Milliseconds between two lines about one key, the same for an event. */
  readonly every: number;
}

/** Writes the log. */
export class Log {
  /** Lines lost because the reader of stderr had stalled. */
  totalLost = 0;
  /** Lines suppressed by a rate limit. */
  totalSuppressed = 0;

  readonly #sink: LogSink;
  readonly #format: LogFormat;
  readonly #level: number;
  readonly #isJournal: boolean;
  readonly #throttles = new Map<string, Throttle>();
  readonly #states = new Map<string, string | undefined>();
  #queue: string[] = [];
  #writing: Promise<void> | undefined;
  #lost = 0;
  /** Why they are lost. */
  #lossReason = STALLED;
  /** Whether the last line that was written lacks its end. */
  #isCut = false;
  #minute = 0;
  #linesThisMinute = 0;
  /** How many lines of each warning and error were written this minute. */
  readonly #warnings = new Map<string, number>();
  #suppressed = 0;

  /**
   * @param format How a line is formatted.
   * @param level The least important level that is written.
   * @param sink Where lines go.
   * @param isJournal Whether that is the journal, which records time and
   * priority itself.
   */
  constructor(
    format: LogFormat,
    level: LogLevel,
    sink: LogSink,
    isJournal = false,
  ) {
    this.#isJournal = isJournal;
    this.#format = format;
    this.#level = LOG_LEVELS.indexOf(level);
    this.#sink = sink;
  }

  /** Whether lines of this level are written: check before an expensive one. */
  isEnabled(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) <= this.#level;
  }

  /**
   * Takes one line about a machine from the budget of this minute. Returns
   * false, and counts a suppressed line, when it is used up. Call it before the
   * line is formatted. Only level info has a budget: warnings have a limit of
   * their own, and who enables debug wants every packet.
   */
  tryTakeLine(level: LogLevel): boolean {
    if (!this.isEnabled(level)) return false;
    if (level !== "info") return true;
    this.#rollMinute(Date.now());
    if (this.#linesThisMinute < MAX_LOG_LINES_PER_MINUTE) {
      this.#linesThisMinute++;
      return true;
    }
    this.#suppress();
    return false;
  }

  /**
   * Whether a line that repeats is due; if so, not again before `every`
   * milliseconds have passed. Call it before a line is formatted on a path that
   * an attacker can drive, else pass the options to the line itself.
   */
  isDue(event: string, { key = "", every }: ThrottleOptions): boolean {
    let throttle = this.#throttles.get(event);
    if (throttle === undefined) {
      throttle = new Throttle();
      this.#throttles.set(event, throttle);
    }
    return throttle.isDue(key, every, performance.now());
  }

  /**
   * Records the state of something that is polled. Returns whether it differs
   * from the state recorded before, which is `undefined` at first.
   *
   * @param key One of a fixed set of words: keys are never forgotten.
   */
  hasChanged(key: string, state: string | undefined): boolean {
    if (this.#states.get(key) === state) return false;
    this.#states.set(key, state);
    return true;
  }

  /** Logs a failure that costs a service. */
  error(
    event: string,
    message: string,
    fields?: LogFields,
    throttle?: ThrottleOptions,
  ): void {
    this.#add("error", event, message, fields, throttle);
  }

  /** Logs what an operator should look at. */
  warning(
    event: string,
    message: string,
    fields?: LogFields,
    throttle?: ThrottleOptions,
  ): void {
    this.#add("warning", event, message, fields, throttle);
  }

  /** Logs a change of state. */
  info(event: string, message: string, fields?: LogFields): void {
    this.#add("info", event, message, fields);
  }

  /** Logs what happened to one packet. */
  debug(event: string, message: string, fields?: LogFields): void {
    this.#add("debug", event, message, fields);
  }

  /** Waits until all lines are written, at most `milliseconds`. */
  async flush(milliseconds: number): Promise<void> {
    await waitAtMost(milliseconds, this.#writing);
  }

  #add(
    level: LogLevel,
    event: string,
    message: string,
    fields: LogFields = {},
    throttle?: ThrottleOptions,
  ): void {
    if (!this.isEnabled(level)) return;
    if (throttle !== undefined && !this.isDue(event, throttle)) return;
    const now = Date.now();
    this.#rollMinute(now);
    const isImportant = level === "warning" || level === "error";
    if (isImportant) {
      const count = this.#warnings.get(event) ?? 0;
      if (count >= MAX_WARNINGS_PER_MINUTE) return this.#suppress();
      this.#warnings.set(event, count + 1);
    }
    const room = MAX_LOG_QUEUE + (isImportant ? MAX_LOG_RESERVE : 0);
    if (this.#queue.length >= room) {
      this.#lost++;
      this.totalLost++;
      // The last write may have failed.
      this.#writing ??= this.#write();
    } else this.#enqueue(now, level, event, message, fields);
  }

  #suppress(): void {
    this.#suppressed++;
    this.totalSuppressed++;
  }

  /** Starts the budget of another minute, and logs what the last suppressed. */
  #rollMinute(now: number): void {
    const minute = Math.floor(now / MINUTE);
    if (minute === this.#minute) return;
    this.#minute = minute;
    this.#linesThisMinute = 0;
    this.#warnings.clear();
    const lines = this.#suppressed;
    if (lines === 0) return;
    this.#suppressed = 0;
    this.#enqueue(
      now,
      "warning",
      "log_lines_held_back",
      `suppressed ${lines} log lines: limits are ${MAX_LOG_LINES_PER_MINUTE} lines and ${MAX_WARNINGS_PER_MINUTE} of one warning per minute`,
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
    const prefix = this.#isJournal ? priorityPrefix(level) : "";
    const line = this.#format === "json"
      ? JSON.stringify({ time, level, event, message, ...fields })
      : this.#isJournal
      ? message
      : `${time} ${level.padEnd(7)} ${message}`;
    this.#queue.push(`${prefix}${line}\n`);
    this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    const encoder = new TextEncoder();
    while (this.#queue.length > 0) {
      const lines = this.#queue;
      this.#queue = [];
      // A line that was cut off ends where this begins.
      const start = this.#isCut ? "\n" : "";
      const bytes = encoder.encode(start + lines.join(""));
      let at = 0;
      try {
        while (at < bytes.length) at += await this.#put(bytes.subarray(at));
        this.#isCut = false;
        if (this.#lost > 0) this.#reportLost();
      } catch (error) {
        // A full disk, or a closed pipe: it is reported when stderr works again.
        if (at > 0) this.#isCut = bytes[at - 1] !== LINE_FEED;
        this.#lose(bytes.subarray(at), lines.length, (error as Error).message);
        break;
      }
    }
    this.#writing = undefined;
  }

  /** Writes some of the bytes; waits while a pipe that does not block is full. */
  async #put(bytes: Uint8Array): Promise<number> {
    for (;;) {
      try {
        return await this.#sink.write(bytes);
      } catch (error) {
        if ((error as Error).name !== "WouldBlock") throw error;
        await delay(FULL_PIPE_PAUSE);
      }
    }
  }

  /**
   * Counts lines that could not be written.
   *
   * @param left The bytes that are left of them.
   * @param most How many lines there were.
   */
  #lose(left: Uint8Array, most: number, reason: string): void {
    let lines = 0;
    for (const byte of left) if (byte === LINE_FEED) lines++;
    const lost = Math.min(lines, most);
    this.#lost += lost;
    this.totalLost += lost;
    this.#lossReason = `stderr could not be written (${reason})`;
  }

  #reportLost(): void {
    const lost = this.#lost;
    this.#lost = 0;
    this.#enqueue(
      Date.now(),
      "warning",
      "log_lines_lost",
      `lost ${lost} log lines: ${this.#lossReason}`,
      { lines: lost },
    );
    this.#lossReason = STALLED;
  }
}
