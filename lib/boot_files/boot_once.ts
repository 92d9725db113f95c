/**
 * The machines that `--boot-policy once` lets boot from the network: those that
 * have not done so yet, and those whose files have changed since.
 *
 * @module
 */

import { type FilePlace, fileWork } from "../files/file_work.ts";
import { statusOf } from "../files/open_file.ts";
import { formatMac, type Mac } from "../net/mac.ts";
import { MAX_LISTED_MACS } from "../overload/limits.ts";
import { MacDirectories } from "./mac_directories.ts";
import type { PathProblem } from "./served_roots.ts";

/** Entries of a machine's directory whose times count. */
const MAX_ENTRIES = 1000;

/** Milliseconds between two looks at the directory of one machine. */
const LOOK_INTERVAL = 500;

/** A machine that has got a boot URL. */
interface BootState {
  /**
   * When its system was up after that, in milliseconds since 1970; `undefined`
   * while it was not.
   */
  doneAt: number | undefined;
  /** When its directory was last looked at, by `performance.now()`. */
  lookedAt: number;
  isLookedAt: boolean;
}

/** Remembers which machines have booted from the network. In memory only. */
export class BootOnce {
  readonly #directory: string;
  readonly #macDirectories: MacDirectories;
  /** Of the machines that have got a boot URL; the oldest URL first. */
  readonly #states = new Map<Mac, BootState>();

  /** @param directory The netboot directory; it may be absent. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#macDirectories = new MacDirectories(directory);
  }

  /** Looking at files is no work in progress. */
  stop(): void {}

  /** Whether a machine may boot from the network. */
  isListed(mac: Mac): boolean {
    return this.#states.get(mac)?.doneAt === undefined;
  }

  /** A machine that has booted from the network misses no file. */
  whyUnlisted(): PathProblem | undefined {
    return undefined;
  }

  /** A machine has got a boot URL. */
  onBootUrl(mac: Mac): void {
    const state = this.#states.get(mac) ?? {
      doneAt: undefined,
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
    if (state !== undefined) state.doneAt ??= Date.now();
  }

  /**
   * A machine has sent a message: looks whether its files have changed, so that it
   * may boot when it asks the next time.
   */
  onMessage(mac: Mac): void {
    const state = this.#states.get(mac);
    if (state?.doneAt === undefined) return;
    const now = performance.now();
    if (now - state.lookedAt < LOOK_INTERVAL) return;
    state.lookedAt = now;
    void this.look(mac);
  }

  /** Looks at a machine's files now. Is never rejected. */
  async look(mac: Mac): Promise<void> {
    const state = this.#states.get(mac);
    if (state?.doneAt === undefined || state.isLookedAt) return;
    state.isLookedAt = true;
    try {
      const changedAt = await fileWork.run(
        `boot once ${formatMac(mac)}`,
        `${this.#directory}/${formatMac(mac)}`,
        (place) => this.#changedAt(mac, place),
      );
      const isSame = this.#states.get(mac) === state;
      if (isSame && changedAt > state.doneAt) this.#states.delete(mac);
    } catch {
      // There is no directory, or it cannot be read now.
    } finally {
      state.isLookedAt = false;
    }
  }

  /** When the directories of a machine last changed, or a file in one of them. */
  async #changedAt(mac: Mac, place: FilePlace): Promise<number> {
    const names = [formatMac(mac), ...await this.#macDirectories.of(mac)];
    let changedAt = 0;
    for (const name of names) {
      const directory = `${this.#directory}/${name}`;
      changedAt = Math.max(changedAt, await timeOf(directory, place));
      if (changedAt === 0) continue;
      let count = 0;
      for await (const entry of Deno.readDir(directory)) {
        if (++count > MAX_ENTRIES) break;
        const time = await timeOf(`${directory}/${entry.name}`, place);
        changedAt = Math.max(changedAt, time);
      }
    }
    return changedAt;
  }
}

/** When a path last changed, in milliseconds since 1970; 0 if it is absent. */
async function timeOf(path: string, place: FilePlace): Promise<number> {
  try {
    const { mtime, ctime } = await statusOf(path, place);
    return Math.max(mtime?.getTime() ?? 0, ctime?.getTime() ?? 0);
  } catch {
    return 0;
  }
}
