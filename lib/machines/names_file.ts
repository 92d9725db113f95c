/**
 * The names that people have given to machines, from a file that may change.
 *
 * @module
 */

import { MAX_NAMES_FILE } from "../overload/limits.ts";
import { type Mac, parseMac } from "../net/mac.ts";

/** Milliseconds between two looks at the file. */
const POLL_INTERVAL = 2000;

/** A line that makes no sense. */
export interface NamesProblem {
  /** Counted from 1. */
  readonly line: number;
  readonly text: string;
}

/**
 * Reads lines of `MAC name`; empty ones and those that begin with `#` do not
 * count. Of two names for one MAC the last counts.
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

/** Whoever wants to know how the file does. */
export interface NamesObserver {
  /** The file was read; some of its lines make no sense. */
  namesRead(count: number, problems: readonly NamesProblem[]): void;
  /** The file cannot be read; the names that were known stay. */
  namesUnreadable(error: Error): void;
}

/** Names from a file, read again when it changes. */
export class Names {
  readonly #path: string | undefined;
  readonly #observer: NamesObserver;
  #names = new Map<Mac, string>();
  /** What the file looked like when it was read last. */
  #seen = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  /** @param path `undefined`: nobody has a name. */
  constructor(path: string | undefined, observer: NamesObserver) {
    this.#path = path;
    this.#observer = observer;
  }

  /** Reads the file, and looks at it again from time to time. */
  async start(): Promise<void> {
    if (this.#path === undefined) return;
    await this.#refresh(this.#path);
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => this.start(), POLL_INTERVAL);
  }

  /** Looks no more. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** The name of a machine. */
  of(mac: Mac): string | undefined {
    return this.#names.get(mac);
  }

  /** All names. */
  entries(): Iterable<[Mac, string]> {
    return this.#names.entries();
  }

  async #refresh(path: string): Promise<void> {
    try {
      const { size, mtime, ino } = await Deno.stat(path);
      const seen = `${size} ${mtime?.getTime()} ${ino}`;
      if (seen === this.#seen) return;
      this.#seen = seen;
      if (size > MAX_NAMES_FILE) {
        throw new Error(`it is longer than ${MAX_NAMES_FILE} octets`);
      }
      const { names, problems } = parseNames(await Deno.readTextFile(path));
      this.#names = names;
      this.#observer.namesRead(names.size, problems);
    } catch (error) {
      const { message } = error as Error;
      if (message === this.#seen) return;
      this.#seen = message;
      this.#observer.namesUnreadable(error as Error);
    }
  }
}
