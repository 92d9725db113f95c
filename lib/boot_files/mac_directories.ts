/**
 * The directories of machines in the netboot directory: their names are MACs in
 * any notation, such as `02-00-5E-00-53-15`.
 *
 * @module
 */

import { settledVersion } from "./file_version.ts";
import { formatMac, type Mac, parseMac } from "../net/mac.ts";
import { MAX_LISTED_MACS } from "../overload/limits.ts";
import { SLICE, yieldToEventLoop } from "../overload/scheduler.ts";

/**
 * Milliseconds in which two changes may get the same modification time: the
 * kernel's clock for files advances in steps of up to 10 ms.
 */
const TIMESTAMP_STEP = 20;

/** Reading takes at most 1/20 of the time while the directory changes. */
const READ_DUTY_FACTOR = 20;

/**
 * Identifies the state of a directory: its modification and change time, with
 * its identity. `undefined` while a further change might not be visible in it.
 */
export async function directoryVersion(
  directory: string,
): Promise<string | undefined> {
  return settledVersion([await Deno.stat(directory)], TIMESTAMP_STEP);
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

/** The names by MAC, read again when the directory has changed. */
export class MacDirectories {
  readonly #directory: string;
  #names: ReadonlyMap<Mac, readonly string[]> = new Map();
  /** The version of the directory that `#names` was read from. */
  #version: string | undefined;
  /** When it may be read again, by `performance.now()`. */
  #nextRead = 0;
  /** The only read in flight. */
  #reading: Promise<void> | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * The names of the machine's directories, besides that in the daemon's own
   * notation; sorted, for the same answer at any time.
   *
   * @throws the errors of the file system.
   */
  async of(mac: Mac): Promise<readonly string[]> {
    const version = await directoryVersion(this.#directory);
    if (version === undefined || version !== this.#version) {
      await (this.#reading ??= this.#read(version).finally(() =>
        this.#reading = undefined
      ));
    }
    return this.#names.get(mac) ?? [];
  }

  async #read(version: string | undefined): Promise<void> {
    const start = performance.now();
    if (start < this.#nextRead) return;
    const names = new Map<Mac, string[]>();
    let kept = 0;
    for await (const { mac, entry: { name } } of macEntries(this.#directory)) {
      if (name === formatMac(mac)) continue;
      if (++kept > MAX_LISTED_MACS) break;
      const ofMac = names.get(mac);
      if (ofMac === undefined) names.set(mac, [name]);
      else ofMac.push(name);
    }
    for (const ofMac of names.values()) ofMac.sort();
    const end = performance.now();
    this.#nextRead = end + READ_DUTY_FACTOR * (end - start);
    this.#names = names;
    this.#version = version;
  }
}
