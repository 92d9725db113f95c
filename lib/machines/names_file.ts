/**
 * Names of machines, from a file that may change.
 *
 * @module
 */

import { MAX_NAMES_FILE } from "../overload/limits.ts";
import { type Mac, parseMac } from "../net/mac.ts";

/** Milliseconds between two checks whether the file has changed. */
const POLL_INTERVAL = 2000;

/** A malformed line. */
export interface NamesProblem {
  /** The number of the line, from 1. */
  readonly line: number;
  readonly text: string;
}

/**
 * Reads lines of `MAC name`. Empty lines and those that begin with `#` are
 * ignored. Of two names for one MAC, the last is used.
 */
export function parseNames(
  text: string,
): { names: Map<Mac, string>; problems: NamesProblem[] } {
  const names = new Map<Mac, string>();
  const problems: NamesProblem[] = [];
  text.split(/\r\n|\n|\r/).forEach((content, index) => {
    const line = content.trim();
    if (line === "" || line.startsWith("#")) return;
    const [, macText, name] = /^(\S+)\s+(.+)$/.exec(line) ?? [];
    const mac = macText === undefined ? undefined : parseMac(macText);
    if (mac === undefined) problems.push({ line: index + 1, text: line });
    else names.set(mac, name!);
  });
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
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  /** @param path `undefined`: no machine has a name. */
  constructor(path: string | undefined, observer: NamesObserver) {
    this.#path = path;
    this.#observer = observer;
  }

  /** Reads the file, then again every 2 s if it has changed. */
  async start(): Promise<void> {
    if (this.#path === undefined) return;
    this.#isStopped = false;
    await this.#poll(this.#path);
  }

  /** Reads the file now, whether it has changed or not. */
  async reload(): Promise<void> {
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

  async #refresh(path: string): Promise<void> {
    try {
      const { size, mtime, ino } = await Deno.stat(path);
      const state = `${size} ${mtime?.getTime()} ${ino}`;
      if (state === this.#lastState) return;
      this.#lastState = state;
      if (size > MAX_NAMES_FILE) {
        throw new Error(`it has more than ${MAX_NAMES_FILE} bytes`);
      }
      const { names, problems } = parseNames(await Deno.readTextFile(path));
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
