/**
 * The machines that `--boot-policy once` lets boot from the network: those that
 * have not done so yet, and those whose files have changed since.
 *
 * @module
 */

import { eTag } from "@std/http/etag";
import { type FilePlace, fileWork } from "../files/file_work.ts";
import { mayNotAnswer, statusOf } from "../files/open_file.ts";
import { isAbsent } from "../files/opened_file.ts";
import { formatMac, type Mac } from "../net/mac.ts";
import { MAX_LISTED_MACS, MAX_ONCE_NAMES } from "../overload/limits.ts";
import { versionOnDevice } from "./file_version.ts";
import { MacDirectories } from "./mac_directories.ts";
import type { PathProblem } from "./served_roots.ts";

/** Looks at once; a further machine is looked at with its next message. */
const MAX_LOOKS = 256;

/** Milliseconds between two looks at the directory of one machine. */
const LOOK_INTERVAL = 500;

/** Milliseconds after which some further machines are looked at, in turns. */
const TURN_INTERVAL = 250;

/** How many: those of a bench each second, hundreds in some seconds. */
const LOOKS_PER_TURN = 8;

/** Machines that are passed over for that, at most. */
const PASSED_PER_TURN = 1024;

/** What was seen of the files of one machine. */
interface MachineFiles {
  /** Identifies the state of its directories and of all that is in them. */
  readonly version: string;
  /** How many directories it has. */
  readonly directories: number;
  /** Names in them that lead nowhere. */
  readonly absent: number;
}

/** Whether less of a machine's files is there than there was. */
function isAway(now: MachineFiles, before: MachineFiles): boolean {
  return now.directories < before.directories || now.absent > before.absent;
}

/** A machine that has got a boot URL. */
interface BootState {
  /** Whether its system was up after that. */
  isDone: boolean;
  /** Its files then; `undefined` while they are not known. */
  files: MachineFiles | undefined;
  /** When its directory was last looked at, by `performance.now()`. */
  lookedAt: number;
  isLookedAt: boolean;
}

/** Remembers which machines have booted from the network. In memory only. */
export class BootOnce {
  readonly #directory: string;
  readonly #macDirectories: MacDirectories;
  /** Looks at machines' files in progress. */
  looks = 0;

  /** Of the machines that have got a boot URL; the oldest URL first. */
  readonly #states = new Map<Mac, BootState>();

  #turns: Iterator<[Mac, BootState]>;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param directory The netboot directory; it may be absent. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#macDirectories = new MacDirectories(directory);
    this.#turns = this.#states[Symbol.iterator]();
  }

  /** Begins to look at the machines that have booted, in turns. */
  start(): void {
    this.#timer = setInterval(() => this.#lookInTurn(), TURN_INTERVAL);
  }

  /** Looking at files is no work in progress. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Whether a machine may boot from the network. */
  isListed(mac: Mac): boolean {
    return !this.#states.get(mac)?.isDone;
  }

  /** A machine that has booted from the network misses no file. */
  whyUnlisted(): PathProblem | undefined {
    return undefined;
  }

  /** A machine has got a boot URL. */
  onBootUrl(mac: Mac): void {
    const state = this.#states.get(mac) ?? {
      isDone: false,
      files: undefined,
      lookedAt: 0,
      isLookedAt: false,
    };
    this.#states.delete(mac);
    this.#states.set(mac, state);
    if (this.#states.size <= MAX_LISTED_MACS) return;
    const [oldest] = this.#states.keys();
    this.#states.delete(oldest!);
  }

  /** A machine's system is up. */
  onSystem(mac: Mac): void {
    const state = this.#states.get(mac);
    if (state === undefined || state.isDone) return;
    state.isDone = true;
    void this.look(mac);
  }

  /**
   * A machine has sent a message: looks whether its files have changed, so that it
   * may boot when it asks the next time, if its turn has not come since.
   */
  onMessage(mac: Mac): void {
    const state = this.#states.get(mac);
    if (!state?.isDone) return;
    const now = performance.now();
    if (now - state.lookedAt < LOOK_INTERVAL) return;
    state.lookedAt = now;
    void this.look(mac);
  }

  #lookInTurn(): void {
    const now = performance.now();
    let left = LOOKS_PER_TURN;
    for (let passed = 0; passed < PASSED_PER_TURN && left > 0; passed++) {
      const { value, done } = this.#turns.next();
      if (done) {
        this.#turns = this.#states[Symbol.iterator]();
        return;
      }
      const [mac, state] = value;
      if (!state.isDone) continue;
      left--;
      state.lookedAt = now;
      void this.look(mac);
    }
  }

  /** Looks at a machine's files now. Is never rejected. */
  async look(mac: Mac): Promise<void> {
    const state = this.#states.get(mac);
    if (!state?.isDone || state.isLookedAt || this.looks >= MAX_LOOKS) return;
    state.isLookedAt = true;
    this.looks++;
    try {
      const files = await fileWork.run(
        `boot once ${formatMac(mac)}`,
        `${this.#directory}/${formatMac(mac)}`,
        (place) => this.#filesOf(mac, place),
      );
      if (this.#states.get(mac) !== state) return;
      state.files ??= files;
      // While a disk is away, no machine has new files: all of them would be
      // installed again.
      if (isAway(files, state.files)) return;
      if (state.files.version !== files.version) this.#states.delete(mac);
    } catch {
      // The file system does not answer now, or says nothing about the files.
    } finally {
      state.isLookedAt = false;
      this.looks--;
    }
  }

  /**
   * Times are not compared with the clock, which may be wrong, or theirs may.
   *
   * @throws the errors of the file system that say nothing about the files.
   */
  async #filesOf(mac: Mac, place: FilePlace): Promise<MachineFiles> {
    const others = await this.#macDirectories.of(mac).catch((error) => {
      if (!isAbsent(error)) throw error;
      return [];
    });
    const isRemote = await mayNotAnswer(this.#directory);
    const found: Found = { versions: [], absent: 0, left: MAX_ONCE_NAMES };
    let directories = 0;
    for (const name of [formatMac(mac), ...others]) {
      const path = `${this.#directory}/${name}`;
      // A link to a directory that may not answer is not followed from one that
      // does.
      const isFollowed = isRemote || !await mayNotAnswer(path);
      const { absent } = found;
      const seen = found.versions.length;
      await walk(path, found, place, isFollowed);
      if (found.versions.length > seen) directories++;
      else found.absent = absent;
    }
    return {
      version: await eTag(found.versions.join("\n")),
      directories,
      absent: found.absent,
    };
  }
}

/** What a walk over a machine's files has found. */
interface Found {
  readonly versions: string[];
  /** Names that lead nowhere. */
  absent: number;
  /** Names that may still be looked at. */
  left: number;
}

/**
 * Adds what is at a path, and what is below it.
 *
 * @param isFollowed Whether it may be a link to a directory.
 * @throws the errors of the file system that say nothing about the files.
 */
async function walk(
  path: string,
  found: Found,
  place: FilePlace,
  isFollowed = false,
): Promise<void> {
  if (found.left === 0) return;
  found.left--;
  try {
    const info = await statusOf(path, place);
    // A link to a directory may lead to an empty mount point for a while.
    if (
      info.isDirectory && !isFollowed && (await Deno.lstat(path)).isSymlink
    ) return;
    found.versions.push(`${path} ${versionOnDevice(info)}`);
    if (!info.isDirectory) return;
    for (const name of await namesIn(path)) {
      await walk(`${path}/${name}`, found, place);
    }
  } catch (error) {
    if (isAbsent(error) || error instanceof Deno.errors.FilesystemLoop) {
      found.absent++;
    } else if (!(error instanceof Deno.errors.PermissionDenied)) {
      throw error;
    }
  }
}

/** The names in a directory, sorted. */
async function namesIn(directory: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(directory)) {
    if (names.push(name) >= MAX_ONCE_NAMES) break;
  }
  return names.sort();
}
