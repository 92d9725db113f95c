/**
 * The machines that `--boot-policy listed` lets boot from the network: those
 * with a directory `<netboot-dir>/<mac>` whose files are served.
 *
 * @module
 */

import { fileWork } from "../files/file_work.ts";
import { isAbsent } from "../files/opened_file.ts";
import { type PathProblem, ServedRoots } from "./served_roots.ts";
import {
  directoryVersion,
  macEntries,
  type MacEntry,
} from "./mac_directories.ts";
import { formatMac, type Mac } from "../net/mac.ts";
import { MAX_LISTED_MACS } from "../overload/limits.ts";
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

/** What a directory holds. */
export interface MacListing {
  readonly macs: ReadonlySet<Mac>;
  /** Directories of further MACs, above the limit. */
  readonly omitted: number;
  /** Why the directories of other MACs are not served; at most the limit. */
  readonly unserved?: ReadonlyMap<Mac, PathProblem>;
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

/** Directories that are examined together: on a network, each takes a round trip. */
const MAX_PROBES = 8;

/**
 * The MACs, in any notation of {@linkcode parseMac}, that name a directory or a
 * symbolic link to one in `directory`, whose files are served; at most `limit`
 * of them.
 *
 * @param roots The rule of what is served.
 * @throws {Deno.errors.NotFound} and other errors of the file system.
 */
export async function readMacDirectories(
  directory: string,
  limit: number = MAX_LISTED_MACS,
  roots: ServedRoots = new ServedRoots(directory),
): Promise<MacListing> {
  const macs = new Set<Mac>();
  const unserved = new Map<Mac, PathProblem>();
  let omitted = 0;
  const add = async (entries: MacEntry[]) => {
    const problems = await Promise.all(
      entries.map(({ entry }) => directoryProblem(entry, directory, roots)),
    );
    for (const [index, { mac }] of entries.entries()) {
      const problem = problems[index];
      if (macs.has(mac)) continue;
      if (problem !== undefined) {
        if (unserved.size < limit) unserved.set(mac, problem);
      } else if (macs.size < limit) macs.add(mac);
      else omitted++;
    }
  };
  let together: MacEntry[] = [];
  for await (const found of macEntries(directory)) {
    const { entry } = found;
    if (!entry.isDirectory && !entry.isSymlink) continue;
    if (together.push(found) < MAX_PROBES) continue;
    await add(together);
    together = [];
  }
  await add(together);
  return { macs, omitted, unserved };
}

/** Links of one directory that are looked at before it counts as served. */
const MAX_EXAMINED_LINKS = 16;

/** A name that no file in a directory has: whether it may be looked up counts. */
const ABSENT = ".dhcpv6macd-absent";

/** Why no file in a directory, or link to one, is served. */
async function directoryProblem(
  { name, isSymlink }: Deno.DirEntry,
  directory: string,
  roots: ServedRoots,
): Promise<PathProblem | undefined> {
  let path = `${directory}/${name}`;
  if (isSymlink) {
    const found = await roots.resolve(name);
    if ("kind" in found) return found;
    if (!found.info.isDirectory) return { kind: "no_file", path: found.path };
    path = found.path;
  }
  try {
    await Deno.lstat(`${path}/${ABSENT}`);
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) {
      return { kind: "permission_denied", path };
    }
  }
  return await contentProblem(path, name, roots);
}

/**
 * Why nothing in a directory is served: all of its links are refused. An empty
 * directory lists its machine, which boots from the files for all.
 *
 * @param path The directory, without links.
 * @param name Its name in the netboot directory.
 */
async function contentProblem(
  path: string,
  name: string,
  roots: ServedRoots,
): Promise<PathProblem | undefined> {
  let problem: PathProblem | undefined;
  let left = MAX_EXAMINED_LINKS;
  try {
    for await (const entry of Deno.readDir(path)) {
      if (!entry.isSymlink || left-- === 0) return undefined;
      const found = await roots.resolve(`${name}/${entry.name}`);
      if (!("kind" in found)) return undefined;
      problem ??= found;
    }
  } catch {
    // It may not be listed, or is gone: its files may be served.
    return undefined;
  }
  return problem;
}

/**
 * Reads a directory of this host.
 *
 * @param follow Directories that links in it may lead to.
 */
export function directoryReader(
  follow: readonly string[] = [],
): DirectoryReader {
  return {
    version: directoryVersion,
    macs: (directory) =>
      readMacDirectories(
        directory,
        MAX_LISTED_MACS,
        new ServedRoots(directory, follow),
      ),
  };
}

/**
 * The set of listed MACs, refreshed in the background. A network file system
 * that does not answer delays no reply and occupies few threads of the runtime.
 */
export class ListedMacs {
  readonly #directory: string;
  readonly #reader: DirectoryReader;
  #macs: ReadonlySet<Mac> = new Set();
  #unserved: ReadonlyMap<Mac, PathProblem> = new Map();
  /** The version of the directory that `#macs` was read from. */
  #version: string | undefined;
  /** When an unchanged directory is read again, by `performance.now()`. */
  #rescanTime = 0;
  #problem: string | undefined;
  /** The problem that was last reported. */
  #reported: string | undefined;
  readonly #onProblem: (problem: string | undefined) => void;
  /** The only scan in flight, and when it began. */
  #scan: Promise<void> | undefined;
  #scanStart = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param onProblem Called when {@linkcode problem} has changed. */
  constructor(
    directory: string,
    reader: DirectoryReader = directoryReader(),
    onProblem: (problem: string | undefined) => void = () => {},
  ) {
    this.#directory = directory;
    this.#reader = reader;
    this.#onProblem = onProblem;
  }

  /** Begins to poll. Waits for the first scan, but at most 1 s. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => {
      this.#reportProblem();
      void this.refresh();
    }, POLL_INTERVAL);
    await waitAtMost(FIRST_SCAN_TIMEOUT, this.refresh());
    this.#reportProblem();
  }

  #reportProblem(): void {
    const { problem } = this;
    if (problem === this.#reported) return;
    this.#reported = problem;
    this.#onProblem(problem);
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

  /** Why a MAC is not listed; `undefined` if it is. */
  whyUnlisted(mac: Mac): PathProblem | undefined {
    if (this.#macs.has(mac)) return undefined;
    const path = `${this.#directory}/${formatMac(mac)}`;
    return this.#unserved.get(mac) ?? { kind: "not_found", path };
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
    const scan = () => this.#refresh();
    return this.#scan ??= fileWork.runUnlimited(this.#directory, scan)
      .finally(() => this.#scan = undefined);
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

  #use({ macs, omitted, unserved = new Map() }: MacListing): void {
    const now = performance.now();
    const duration = now - this.#scanStart;
    this.#rescanTime = now +
      Math.max(RESCAN_INTERVAL, RESCAN_DUTY_FACTOR * duration);
    this.#macs = macs;
    this.#unserved = unserved;
    this.#problem = omitted === 0
      ? undefined
      : `${this.#directory} has ${omitted} directories of machines more than the ${macs.size} that are read: the others get no boot instructions`;
  }

  /** An absent directory lists no machine; any other error changes nothing. */
  #onError(error: Error): void {
    if (isAbsent(error)) {
      this.#macs = new Set();
      this.#unserved = new Map();
      this.#problem =
        `${this.#directory} is not a directory: no machine gets boot instructions until it is`;
      return;
    }
    this.#problem =
      `cannot read ${this.#directory}: ${error.message} (the last known list of machines stays in use)`;
  }
}
