/**
 * The names of machines' directories: a MAC may be written in any notation.
 *
 * @module
 */

import { formatMac, type Mac, parseMac } from "../net/mac.ts";
import { MAX_LISTED_MACS } from "../overload/limits.ts";
import { SLICE, yieldToEventLoop } from "../overload/scheduler.ts";

/**
 * Milliseconds in which two changes may get the same modification time: the
 * kernel's clock for files advances in steps of up to 10 ms.
 */
const TIMESTAMP_STEP = 20;

/**
 * Identifies the state of a directory: its identity, modification and change
 * time. `undefined` while a further change might not be visible in it.
 */
export async function directoryVersion(
  directory: string,
): Promise<string | undefined> {
  const { dev, ino, mtime, ctime } = await Deno.stat(directory);
  const changed = Math.max(mtime?.getTime() ?? 0, ctime?.getTime() ?? 0);
  return Math.abs(Date.now() - changed) < TIMESTAMP_STEP
    ? undefined
    : `${dev} ${ino} ${mtime?.getTime()} ${ctime?.getTime()}`;
}

/** An entry of a directory whose name is a MAC. */
export interface MacEntry {
  readonly mac: Mac;
  readonly entry: Deno.DirEntry;
}

/** The entries whose names are MACs in any notation of {@linkcode parseMac}. */
export async function* macEntries(
  directory: string,
): AsyncGenerator<MacEntry> {
  let sliceEnd = performance.now() + SLICE;
  for await (const entry of Deno.readDir(directory)) {
    // The runtime hands over all names at once: without a pause, a large
    // directory would delay DHCPv6 replies.
    if (performance.now() >= sliceEnd) {
      await yieldToEventLoop();
      sliceEnd = performance.now() + SLICE;
    }
    const mac = parseMac(entry.name);
    if (mac !== undefined) yield { mac, entry };
  }
}

/** The names of machines that are not in the usual notation. */
export class OtherMacNames {
  readonly #directory: string;
  #names: ReadonlyMap<Mac, string> = new Map();
  #version: string | undefined;
  /** The only scan in flight. */
  #scan: Promise<void> | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * A machine's name in another notation than that of {@linkcode formatMac}.
   * Reads the directory only if it has changed.
   */
  async of(mac: Mac): Promise<string | undefined> {
    this.#scan ??= this.#refresh().catch(() => {}).finally(() =>
      this.#scan = undefined
    );
    await this.#scan;
    return this.#names.get(mac);
  }

  async #refresh(): Promise<void> {
    const version = await directoryVersion(this.#directory);
    if (version !== undefined && version === this.#version) return;
    const names = new Map<Mac, string>();
    for await (const { mac, entry: { name } } of macEntries(this.#directory)) {
      if (name === formatMac(mac)) continue;
      const known = names.get(mac);
      // Of two notations always the same one, in whatever order they are read.
      if (known !== undefined ? name < known : names.size < MAX_LISTED_MACS) {
        names.set(mac, name);
      }
    }
    this.#names = names;
    this.#version = version;
  }
}
