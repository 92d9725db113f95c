/**
 * Names of machines, from a file that may change.
 *
 * @module
 */

import { fileWork } from "../files/file_work.ts";
import { readText } from "../files/read_file.ts";
import { MAX_NAMES_FILE } from "../overload/limits.ts";
import { SLICE, yieldToEventLoop } from "../overload/scheduler.ts";
import { waitAtMost } from "../overload/timeout.ts";
import { type Mac, parseMac } from "../net/mac.ts";

/** Milliseconds between two checks whether the file has changed. */
const POLL_INTERVAL = 2000;

/** Milliseconds that `start` waits for the file. */
const START_TIMEOUT = 1000;

/** Lines between two looks at the clock. */
const LINES_PER_LOOK = 256;

/** A malformed line. */
export interface NamesProblem {
  /** The number of the line, from 1. */
  readonly line: number;
  readonly text: string;
}

/** What a file of names holds. */
export interface ParsedNames {
  readonly names: Map<Mac, string>;
  readonly problems: NamesProblem[];
}

/**
 * Reads lines of `MAC name`. Empty lines and those that begin with `#` are
 * ignored. Of two names for one MAC, the last is used.
 */
export function parseNames(text: string): ParsedNames {
  const steps = parseByLine(text);
  for (;;) {
    const { value, done } = steps.next();
    if (done) return value;
  }
}

/** The same, with pauses in which packets are handled. */
export async function parseNamesInSlices(text: string): Promise<ParsedNames> {
  const steps = parseByLine(text);
  let sliceEnd = performance.now() + SLICE;
  for (let line = 1;; line++) {
    const { value, done } = steps.next();
    if (done) return value;
    if (line % LINES_PER_LOOK !== 0 || performance.now() < sliceEnd) continue;
    await yieldToEventLoop();
    sliceEnd = performance.now() + SLICE;
  }
}

/** Pauses after each line. */
function* parseByLine(text: string): Generator<undefined, ParsedNames> {
  const names = new Map<Mac, string>();
  const problems: NamesProblem[] = [];
  const lines = text.matchAll(/([^\r\n]*)(?:\r\n|\n|\r|$)/g);
  let number = 0;
  for (const [, content] of lines) {
    number++;
    const line = content!.trim();
    if (line !== "" && !line.startsWith("#")) {
      const [, macText, name] = /^(\S+)\s+(.+)$/.exec(line) ?? [];
      const mac = macText === undefined ? undefined : parseMac(macText);
      if (mac === undefined) problems.push({ line: number, text: line });
      else names.set(mac, name!);
    }
    yield;
  }
  return { names, problems };
}

/** Receives the results of reading the file. Its methods must not block. */
export interface NamesObserver {
  /** The file was read; some lines may be malformed. */
  namesRead(count: number, problems: readonly NamesProblem[]): void;
  /** The file cannot be read; the last known names stay in use. */
  namesUnreadable(error: Error): void;
}

/** The names in a file, read again when it changes. */
export class Names {
  readonly #path: string | undefined;
  readonly #observer: NamesObserver;
  #names = new Map<Mac, string>();
  /** The state of the file when it was read last, or the error of that. */
  #lastState = "";
  /** The only read in flight. */
  #reading: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  /** @param path `undefined`: no machine has a name. */
  constructor(path: string | undefined, observer: NamesObserver) {
    this.#path = path;
    this.#observer = observer;
  }

  /**
   * Reads the file, then again every 2 s if it has changed. Waits for the first
   * read, but at most 1 s.
   */
  async start(): Promise<void> {
    if (this.#path === undefined) return;
    this.#isStopped = false;
    await waitAtMost(START_TIMEOUT, this.#poll(this.#path));
  }

  /**
   * Reads the file now, whether it has changed or not. A read in flight is
   * followed by another one.
   */
  async reload(): Promise<void> {
    await this.#reading;
    if (this.#path === undefined || this.#isStopped) return;
    this.#lastState = "";
    await this.#refresh(this.#path);
  }

  /** Ends polling. The names stay. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** The name of a machine, if it has one. */
  of(mac: Mac): string | undefined {
    return this.#names.get(mac);
  }

  /** All names. */
  entries(): Iterable<[Mac, string]> {
    return this.#names.entries();
  }

  async #poll(path: string): Promise<void> {
    await this.#refresh(path);
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => this.#poll(path), POLL_INTERVAL);
  }

  #refresh(path: string): Promise<void> {
    const read = () => this.#read(path);
    return this.#reading ??= fileWork.runUnlimited(path, read).finally(() =>
      this.#reading = undefined
    );
  }

  async #read(path: string): Promise<void> {
    try {
      const { size, mtime, ino } = await Deno.stat(path);
      const state = `${size} ${mtime?.getTime()} ${ino}`;
      if (state === this.#lastState) return;
      this.#lastState = state;
      const text = await readText(path, MAX_NAMES_FILE);
      const { names, problems } = await parseNamesInSlices(text);
      this.#names = names;
      this.#observer.namesRead(names.size, problems);
    } catch (error) {
      const { message } = error as Error;
      if (message === this.#lastState) return;
      this.#lastState = message;
      this.#observer.namesUnreadable(error as Error);
    }
  }
}
