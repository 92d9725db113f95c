/**
 * Operations of the file system that may wait without an end, such as those on a
 * network file system whose server is gone. The runtime has 32 threads for them,
 * which the log and name resolution need as well: this is their limit. What waits
 * for a file system with a thread of its own takes none of them, and has a limit
 * for that file system.
 *
 * @module
 */

import { FILE_STALL_TIME, FILE_TIMEOUT } from "../overload/limits.ts";
import { waitAtMost } from "../overload/timeout.ts";
import { FileStalledError, OperationPlaces } from "./operation_places.ts";

/** An operation that the file system has not answered for some time. */
export interface StalledOperation {
  readonly path: string;
  /** How long it has waited, in seconds. */
  readonly seconds: number;
}

/** What an operator reads about it. */
export function stalledText({ path, seconds }: StalledOperation): string {
  return `the file system does not answer for ${seconds} s: ${path}`;
}

/** An operation in progress. */
interface Operation {
  readonly path: string;
  /** By `performance.now()`. */
  readonly start: number;
}

/** The place of an operation that uses the threads of the runtime. */
export interface FilePlace {
  /**
   * Gives the place to others while something waits for a file system that has a
   * thread of its own.
   *
   * @param fileSystem The number of its mount.
   * @throws {FileStalledError} if too many wait for it.
   * @throws what `wait` throws.
   */
  leaveFor<T>(fileSystem: number, wait: () => Promise<T>): Promise<T>;
}

/** That of an operation which no limit counts. */
export const UNCOUNTED_PLACE: FilePlace = {
  leaveFor: (_fileSystem, wait) => wait(),
};

/** What an operation waits for, how long, and what becomes of a late result. */
export interface WorkOptions<T> {
  /**
   * The number of the mount whose thread it waits for; `undefined`: it uses one
   * thread of the runtime at a time.
   */
  readonly fileSystem?: number;
  /**
   * Whether the caller waits as long as it takes, for others to end as well.
   * Otherwise it waits at most 7 s.
   */
  readonly isPatient?: boolean;
  /** Disposes of a result that comes after the caller has left. */
  readonly dispose?: (late: T) => void;
}

/** Runs operations of the file system, a limited number at once. */
export class FileWork {
  readonly #inProgress = new Set<Operation>();
  readonly #ofRuntime = new OperationPlaces();
  /** By the number of the mount. */
  readonly #byFileSystem = new Map<number, OperationPlaces>();

  /**
   * Runs an operation. When the caller no longer waits, the operation goes on,
   * and keeps its place until it ends.
   *
   * @param client Whom it is for: the address of a client, or a file of the
   * configuration. Each may have 4 in progress that use threads of the runtime,
   * and 4 for each other file system.
   * @param path For the messages.
   * @throws {FileStalledError} if it does not end in time.
   * @throws what the operation throws.
   */
  async run<T>(
    client: string,
    path: string,
    operation: (place: FilePlace) => Promise<T>,
    { fileSystem, isPatient = false, dispose = () => {} }: WorkOptions<T> = {},
  ): Promise<T> {
    let held: OperationPlaces | undefined;
    const enter = async (places: OperationPlaces, isPatient: boolean) => {
      held?.leave(client);
      held = undefined;
      await places.enter(client, path, isPatient);
      held = places;
    };
    const places = this.#placesOf(fileSystem);
    const entered = places.enter(client, path, isPatient);
    if (entered !== undefined) await entered;
    held = places;
    const place: FilePlace = {
      leaveFor: async (fileSystem, wait) => {
        try {
          await enter(this.#placesOf(fileSystem), isPatient);
          return await wait();
        } finally {
          // Its result must not be lost: this takes as long as it takes.
          await enter(this.#ofRuntime, true);
        }
      },
    };
    const begin = () => operation(place);
    const result = this.runUnlimited(path, begin).finally(() => {
      held?.leave(client);
      this.#forgetUnused();
    });
    if (isPatient || await waitAtMost(FILE_TIMEOUT, result)) {
      return await result;
    }
    result.then(dispose, () => {});
    throw new FileStalledError(
      `${path}: the file system has not answered for ${FILE_TIMEOUT / 1000} s`,
    );
  }

  /**
   * Runs an operation that has a limit of its own, so that it is reported when
   * the file system does not answer.
   *
   * @throws what the operation throws.
   */
  async runUnlimited<T>(path: string, operation: () => Promise<T>): Promise<T> {
    const running = { path, start: performance.now() };
    this.#inProgress.add(running);
    try {
      return await operation();
    } finally {
      this.#inProgress.delete(running);
    }
  }

  /** The operations that have waited for 2 s or more. */
  stalled(): StalledOperation[] {
    const now = performance.now();
    return [...this.#inProgress]
      .filter(({ start }) => now - start >= FILE_STALL_TIME)
      .map(({ path, start }) => ({
        path,
        seconds: Math.floor((now - start) / 1000),
      }));
  }

  #placesOf(fileSystem: number | undefined): OperationPlaces {
    if (fileSystem === undefined) return this.#ofRuntime;
    const known = this.#byFileSystem.get(fileSystem);
    if (known !== undefined) return known;
    const places = new OperationPlaces();
    this.#byFileSystem.set(fileSystem, places);
    return places;
  }

  #forgetUnused(): void {
    for (const [fileSystem, places] of this.#byFileSystem) {
      if (places.isUnused) this.#byFileSystem.delete(fileSystem);
    }
  }
}

/** All file operations of the process share its threads. */
export const fileWork: FileWork = new FileWork();
