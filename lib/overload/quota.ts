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
  /** The share of other resources for units that is in use, 0 to 1. */
  readonly load?: () => number;
}

/** The share of what there is from which each client may take a few units only. */
const RESERVED_SHARE = 0.25;

/** How many. */
const MAX_UNITS_OF_RESERVE = 4;

/**
 * Counts units in use, such as downloads, for each client. The last quarter is
 * for clients that have few.
 */
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

  /** The share of the units or of the other resources that is in use, 0 to 1. */
  get load(): number {
    const { total, load } = this.#options;
    return Math.max(this.#used / total, load?.() ?? 0);
  }

  /**
   * Takes one unit for a client, until the returned value is disposed of.
   * Disposing of it again has no effect.
   *
   * @param client The client's address.
   * @returns `undefined` if a limit is reached.
   */
  acquire(client: string): Disposable | undefined {
    const usedByClient = this.#usedByClient.get(client) ?? 0;
    const { load } = this;
    const limit = load < 1 - RESERVED_SHARE
      ? this.#options.perClient
      : Math.min(this.#options.perClient, MAX_UNITS_OF_RESERVE);
    if (load >= 1 || usedByClient >= limit) {
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
