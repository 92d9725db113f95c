/**
 * Places that clients share, with a part for each that the others keep.
 *
 * @module
 */

/** How many places there are. */
export interface PlaceBounds {
  readonly all: number;
  /** The most that one client has. */
  readonly ofOne: number;
  /** Whether what a place needs besides can be had now. */
  readonly hasRoom?: () => boolean;
}

/** Places, and who has them. */
export class Places {
  /** How often there was none. */
  refused = 0;

  readonly #bounds: PlaceBounds;
  readonly #clients = new Map<string, number>();
  #taken = 0;

  constructor(bounds: PlaceBounds) {
    this.#bounds = bounds;
  }

  /** How many are taken. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * Takes a place for a client, if there is one. Whoever has it gives it back by
   * calling what is returned; calling that again does nothing.
   */
  take(client: string): (() => void) | undefined {
    const { all, ofOne, hasRoom } = this.#bounds;
    const own = this.#clients.get(client) ?? 0;
    if (this.#taken >= all || own >= ofOne || hasRoom?.() === false) {
      this.refused++;
      return undefined;
    }
    this.#taken++;
    this.#clients.set(client, own + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#taken--;
      const left = this.#clients.get(client)! - 1;
      if (left === 0) this.#clients.delete(client);
      else this.#clients.set(client, left);
    };
  }
}
