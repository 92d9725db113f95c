/**
 * Places that clients share, with a part for each that the others keep.
 *
 * @module
 */

/** How many places there are. */
export interface QuotaOptions {
  readonly total: number;
  /** The most that one client has. */
  readonly perClient: number;
  /** Whether what a place needs besides can be had now. */
  readonly hasCapacity?: () => boolean;
}

/** Places, and who has them. */
export class ClientQuota {
  /** How often there was none. */
  refused = 0;

  readonly #options: QuotaOptions;
  readonly #usedByClient = new Map<string, number>();
  #used = 0;

  constructor(quotaOptions: QuotaOptions) {
    this.#options = quotaOptions;
  }

  /** How many are taken. */
  get used(): number {
    return this.#used;
  }

  /**
   * Takes a place for a client, if there is one. Whoever has it gives it back by
   * calling what is returned; calling that again does nothing.
   */
  acquire(client: string): (() => void) | undefined {
    const { total: all, perClient: ofOne, hasCapacity } = this.#options;
    const own = this.#usedByClient.get(client) ?? 0;
    if (this.#used >= all || own >= ofOne || hasCapacity?.() === false) {
      this.refused++;
      return undefined;
    }
    this.#used++;
    this.#usedByClient.set(client, own + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#used--;
      const left = this.#usedByClient.get(client)! - 1;
      if (left === 0) this.#usedByClient.delete(client);
      else this.#usedByClient.set(client, left);
    };
  }
}
