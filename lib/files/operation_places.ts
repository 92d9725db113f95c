/**
 * Places for operations on files that wait for the same thing: a thread of the
 * runtime, or one file system.
 *
 * @module
 */

import {
  FILE_QUEUE_TIMEOUT,
  MAX_FILE_OPERATIONS,
  MAX_FILE_OPERATIONS_PER_CLIENT,
} from "../overload/limits.ts";

/** The file system has not answered in time, or too many operations wait. */
export class FileStalledError extends Error {
  override name = "FileStalledError";
}

/** An operation that waits for others to end. */
interface Waiting {
  readonly client: string;
  /** Takes the place that has become free. */
  readonly begin: () => void;
}

/** A limited number of places, and fewer for one client. */
export class OperationPlaces {
  readonly #countByClient = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();
  #inUse = 0;

  /** Whether nothing has a place or waits for one. */
  get isUnused(): boolean {
    return this.#inUse === 0 && this.#waiting.size === 0;
  }

  /**
   * Takes a place, at once if one is free, else in the order of the requests.
   *
   * @param path For the message.
   * @param isPatient Whether to wait as long as it takes, otherwise 2 s.
   * @returns `undefined` if it was free.
   * @throws {FileStalledError} if none becomes free in time.
   */
  enter(
    client: string,
    path: string,
    isPatient: boolean,
  ): Promise<void> | undefined {
    if (this.#hasPlace(client)) {
      this.#take(client);
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        client,
        begin: () => {
          clearTimeout(timer);
          // At once, so that no other request takes the place.
          this.#take(client);
          resolve();
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

  /** Gives a client's place up. */
  leave(client: string): void {
    this.#inUse--;
    const count = this.#countByClient.get(client)! - 1;
    if (count === 0) this.#countByClient.delete(client);
    else this.#countByClient.set(client, count);
    for (const waiting of this.#waiting) {
      if (!this.#hasPlace(waiting.client)) continue;
      this.#waiting.delete(waiting);
      return waiting.begin();
    }
  }

  #hasPlace(client: string): boolean {
    return this.#inUse < MAX_FILE_OPERATIONS &&
      (this.#countByClient.get(client) ?? 0) < MAX_FILE_OPERATIONS_PER_CLIENT;
  }

  #take(client: string): void {
    this.#inUse++;
    this.#countByClient.set(client, (this.#countByClient.get(client) ?? 0) + 1);
  }
}
