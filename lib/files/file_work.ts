/**
 * Operations of the file system that may wait without an end, such as those on a
 * network file system whose server is gone. The runtime has 32 threads for them,
 * which the log and name resolution need as well: this is their limit.
 *
 * @module
 */

import {
  FILE_QUEUE_TIMEOUT,
  FILE_STALL_TIME,
  FILE_TIMEOUT,
  MAX_FILE_OPERATIONS,
  MAX_FILE_OPERATIONS_PER_CLIENT,
} from "../overload/limits.ts";
import { waitAtMost } from "../overload/timeout.ts";

/** The file system has not answered in time, or too many operations wait. */
export class FileStalledError extends Error {
  override name = "FileStalledError";
}

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
  readonly client: string;
  readonly path: string;
  /** By `performance.now()`. */
  readonly start: number;
}

/** An operation that waits for others to end. */
interface Waiting {
  readonly client: string;
  /** Takes the place that has become free. */
  readonly begin: () => void;
}

/** How long an operation may take, and what becomes of a late result. */
export interface WorkOptions<T> {
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
  /** Operations outside of the limit. */
  readonly #unlimited = new Set<Operation>();
  readonly #countByClient = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();

  /**
   * Runs an operation that uses one thread at a time. When the caller no longer
   * waits, the operation goes on, and keeps its place until it ends.
   *
   * @param client Whom it is for: the address of a client, or a file of the
   * configuration. Each may have 4 in progress.
   * @param path For the messages.
   * @throws {FileStalledError} if it does not end in time.
   * @throws what the operation throws.
   */
  async run<T>(
    client: string,
    path: string,
    operation: () => Promise<T>,
    { isPatient = false, dispose = () => {} }: WorkOptions<T> = {},
  ): Promise<T> {
    const running = this.#hasPlace(client)
      ? this.#begin(client, path)
      : await this.#beginLater(client, path, isPatient);
    const result = operation().finally(() => this.#end(running));
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
    const running = { client: "", path, start: performance.now() };
    this.#unlimited.add(running);
    try {
      return await operation();
    } finally {
      this.#unlimited.delete(running);
    }
  }

  /** The operations that have waited for 2 s or more. */
  stalled(): StalledOperation[] {
    const now = performance.now();
    return [...this.#unlimited, ...this.#inProgress]
      .filter(({ start }) => now - start >= FILE_STALL_TIME)
      .map(({ path, start }) => ({
        path,
        seconds: Math.floor((now - start) / 1000),
      }));
  }

  #hasPlace(client: string): boolean {
    return this.#inProgress.size < MAX_FILE_OPERATIONS &&
      (this.#countByClient.get(client) ?? 0) < MAX_FILE_OPERATIONS_PER_CLIENT;
  }

  /** Waits for a place, in the order of the requests. */
  #beginLater(
    client: string,
    path: string,
    isPatient: boolean,
  ): Promise<Operation> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        client,
        begin: () => {
          clearTimeout(timer);
          // At once, so that no other request takes the place.
          resolve(this.#begin(client, path));
        },
      };
      this.#waiting.add(waiting);
      const timer = isPatient ? undefined : setTimeout(() => {
        this.#waiting.delete(waiting);
        reject(
          new FileStalledError(`${path}: too many file operations in progress`),
        );
      }, FILE_QUEUE_TIMEOUT);
    });
  }

  #begin(client: string, path: string): Operation {
    const operation = { client, path, start: performance.now() };
    this.#inProgress.add(operation);
    this.#countByClient.set(client, (this.#countByClient.get(client) ?? 0) + 1);
    return operation;
  }

  #end(operation: Operation): void {
    const { client } = operation;
    this.#inProgress.delete(operation);
    const count = this.#countByClient.get(client)! - 1;
    if (count === 0) this.#countByClient.delete(client);
    else this.#countByClient.set(client, count);
    for (const waiting of this.#waiting) {
      if (!this.#hasPlace(waiting.client)) continue;
      this.#waiting.delete(waiting);
      return waiting.begin();
    }
  }
}

/** All file operations of the process share its threads. */
export const fileWork: FileWork = new FileWork();
