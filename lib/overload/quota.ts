/**
 * A limit on what all clients together, and each of them, use at once.
 *
 * @module
 */

/** The limits of a {@linkcode ClientQuota}. */
export interface QuotaOptions {
  /** Units that all clients together may use at once. */
  readonly total: number;
  /** Units that one client may use at once. */
  readonly perClient: number;
  /** Whether other resources that a unit needs are available now. */
  readonly hasCapacity?: () => boolean;
}

/** Counts units in use, such as downloads, for each client. */
export class ClientQuota {
  /** Units refused so far. */
  refused = 0;

  readonly #options: QuotaOptions;
  readonly #usedByClient = new Map<string, number>();
  #used = 0;

  constructor(options: QuotaOptions) {
    this.#options = options;
  }

  /** Units in use now. */
  get used(): number {
    return this.#used;
  }

  /**
   * Takes one unit for a client, until the returned value is disposed of.
   * Disposing of it again has no effect.
   *
   * @param client The client's address.
   * @returns `undefined` if a limit is reached.
   */
  acquire(client: string): Disposable | undefined {
    const { total, perClient, hasCapacity } = this.#options;
    const usedByClient = this.#usedByClient.get(client) ?? 0;
    if (
      this.#used >= total || usedByClient >= perClient ||
      hasCapacity?.() === false
    ) {
      this.refused++;
      return undefined;
    }
    this.#used++;
    this.#usedByClient.set(client, usedByClient + 1);
    let isReleased = false;
    return {
      [Symbol.dispose]: () => {
        if (isReleased) return;
        isReleased = true;
        this.#release(client);
      },
    };
  }

  #release(client: string): void {
    this.#used--;
    const usedByClient = this.#usedByClient.get(client)! - 1;
    if (usedByClient === 0) this.#usedByClient.delete(client);
    else this.#usedByClient.set(client, usedByClient);
  }
}
