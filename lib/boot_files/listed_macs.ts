/**
 * The machines that `--boot-policy listed` lets boot from the network: those
 * with a directory `<netboot-dir>/<mac>`.
 *
 * @module
 */

import { type Mac, parseMac } from "../net/mac.ts";
import { MAX_LISTED_MACS } from "../overload/limits.ts";
import { SLICE, yieldToEventLoop } from "../overload/scheduler.ts";
import { waitAtMost } from "../overload/timeout.ts";

/** Milliseconds between two checks whether the directory has changed. */
const POLL_INTERVAL = 250;

/**
 * Milliseconds after which an unchanged directory is read again: the target of
 * a symbolic link may come or go without a change of the directory itself.
 */
const RESCAN_INTERVAL = 3000;

/** A rescan of an unchanged directory takes at most 1/50 of the time. */
const RESCAN_DUTY_FACTOR = 50;

/** Milliseconds that `start` waits for the first scan. */
const FIRST_SCAN_TIMEOUT = 1000;

/** Milliseconds after which an unfinished scan is reported as a problem. */
const STALLED_SCAN_TIME = 2000;

/**
 * Milliseconds in which two changes may get the same modification time: the
 * kernel's clock for files advances in steps of up to 10 ms.
 */
const TIMESTAMP_STEP = 20;

/** What a directory holds. */
export interface MacListing {
  readonly macs: ReadonlySet<Mac>;
  /** Directories of further MACs, above the limit. */
  readonly omitted: number;
}

/** Reads a directory. Both calls may take any time. */
export interface DirectoryReader {
  /**
   * Identifies the state of the directory. `undefined` while a further change
   * might not be visible in it.
   */
  version(directory: string): Promise<string | undefined>;
  /** The MACs that have a directory in it. */
  macs(directory: string): Promise<MacListing>;
}

/** The modification and change time of a directory, with its identity. */
async function directoryVersion(
  directory: string,
): Promise<string | undefined> {
  const { dev, ino, mtime, ctime } = await Deno.stat(directory);
  const changed = Math.max(mtime?.getTime() ?? 0, ctime?.getTime() ?? 0);
  return Math.abs(Date.now() - changed) < TIMESTAMP_STEP
    ? undefined
    : `${dev} ${ino} ${mtime?.getTime()} ${ctime?.getTime()}`;
}

/**
 * The MACs, in any notation of {@linkcode parseMac}, that name a directory or a
 * symbolic link to one in `directory`; at most `limit` of them.
 *
 * @throws {Deno.errors.NotFound} and other errors of the file system.
 */
export async function readMacDirectories(
  directory: string,
  limit: number = MAX_LISTED_MACS,
): Promise<MacListing> {
  const macs = new Set<Mac>();
  let omitted = 0;
  let sliceEnd = performance.now() + SLICE;
  for await (const entry of Deno.readDir(directory)) {
    // The runtime hands over all names at once: without a pause, a large
    // directory would delay DHCPv6 replies.
    if (performance.now() >= sliceEnd) {
      await yieldToEventLoop();
      sliceEnd = performance.now() + SLICE;
    }
    const mac = parseMac(entry.name);
    if (mac === undefined || macs.has(mac)) continue;
    const isDirectory = entry.isSymlink
      ? await leadsToDirectory(`${directory}/${entry.name}`)
      : entry.isDirectory;
    if (!isDirectory) continue;
    if (macs.size < limit) macs.add(mac);
    else omitted++;
  }
  return { macs, omitted };
}

async function leadsToDirectory(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch {
    return false;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}

/**
 * The set of listed MACs, refreshed in the background. A network file system
 * that does not answer delays no reply and occupies one thread of the runtime.
 */
export class ListedMacs {
  readonly #directory: string;
  readonly #reader: DirectoryReader;
  #macs: ReadonlySet<Mac> = new Set();
  /** The version of the directory that `#macs` was read from. */
  #version: string | undefined;
  /** When an unchanged directory is read again, by `performance.now()`. */
  #rescanTime = 0;
  #problem: string | undefined;
  /** The only scan in flight, and when it began. */
  #scan: Promise<void> | undefined;
  #scanStart = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    directory: string,
    reader: DirectoryReader = {
      version: directoryVersion,
      macs: readMacDirectories,
    },
  ) {
    this.#directory = directory;
    this.#reader = reader;
  }

  /** Begins to poll. Waits for the first scan, but at most 1 s. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.refresh(), POLL_INTERVAL);
    await waitAtMost(FIRST_SCAN_TIMEOUT, this.refresh());
  }

  /** Reads the directory now. A scan in flight is followed by another one. */
  async reload(): Promise<void> {
    await this.#scan;
    this.#version = undefined;
    await this.refresh();
  }

  /** Ends polling. Does not wait for a scan in flight. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Whether the last scan found a directory of this MAC. */
  isListed(mac: Mac): boolean {
    return this.#macs.has(mac);
  }

  /** Why the list may be out of date or incomplete; `undefined` if it is not. */
  get problem(): string | undefined {
    return this.#isStalled
      ? `reading ${this.#directory} has not ended after ${
        STALLED_SCAN_TIME / 1000
      } s: the last known list of machines stays in use`
      : this.#problem;
  }

  get #isStalled(): boolean {
    return this.#scan !== undefined &&
      performance.now() - this.#scanStart >= STALLED_SCAN_TIME;
  }

  /**
   * Reads the directory if it has changed or was not read for some seconds.
   * While a scan is in flight, no other one begins: the returned promise is that
   * of the first. It is never rejected.
   */
  refresh(): Promise<void> {
    return this.#scan ??= this.#refresh().finally(() => this.#scan = undefined);
  }

  async #refresh(): Promise<void> {
    this.#scanStart = performance.now();
    try {
      const version = await this.#reader.version(this.#directory);
      const isUnchanged = version !== undefined && version === this.#version;
      if (isUnchanged && performance.now() < this.#rescanTime) return;
      this.#use(await this.#reader.macs(this.#directory));
      this.#version = version;
    } catch (error) {
      this.#version = undefined;
      this.#onError(error as Error);
    }
  }

  #use({ macs, omitted }: MacListing): void {
    const now = performance.now();
    const duration = now - this.#scanStart;
    this.#rescanTime = now +
      Math.max(RESCAN_INTERVAL, RESCAN_DUTY_FACTOR * duration);
    this.#macs = macs;
    this.#problem = omitted === 0
      ? undefined
      : `${this.#directory} has ${omitted} directories of machines more than the ${macs.size} that are read: the others get no boot instructions`;
  }

  /** An absent directory lists no machine; any other error changes nothing. */
  #onError(error: Error): void {
    if (isAbsent(error)) {
      this.#macs = new Set();
      this.#problem =
        `${this.#directory} is not a directory: no machine gets boot instructions until it is`;
      return;
    }
    this.#problem =
      `cannot read ${this.#directory}: ${error.message} (the last known list of machines stays in use)`;
  }
}
