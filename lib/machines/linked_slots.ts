/**
 * Slots of a table in the order of their last use, as a linked list without
 * objects.
 *
 * @module
 */

import { growColumns, nextCapacity, NONE } from "./columns.ts";

/**
 * Hands out slot numbers from 0 on and keeps those in use in an order from
 * oldest to newest. Every operation but growing takes constant time and
 * allocates nothing.
 */
export class LinkedSlots {
  readonly #limit: number;
  /** The neighbors of a slot in use. `newer` also links the free slots. */
  readonly #links = { newer: new Int32Array(0), older: new Int32Array(0) };
  #oldest = NONE;
  #newest = NONE;
  #firstFree = NONE;
  #size = 0;

  /** @param limit The most slots; at least 1. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many slots are in use. */
  get size(): number {
    return this.#size;
  }

  /** Whether no slot can be allocated before one is freed. */
  get isFull(): boolean {
    return this.#size >= this.#limit;
  }

  /** Slots there is memory for; a slot is always less. */
  get capacity(): number {
    return this.#links.newer.length;
  }

  /** The oldest slot; {@linkcode NONE} if none is in use. */
  get oldest(): number {
    return this.#oldest;
  }

  /**
   * Takes a slot into use as the newest. When it is not less than the length of
   * the table's columns, these have to grow to {@linkcode capacity}.
   *
   * @throws {RangeError} if the list {@linkcode isFull}.
   */
  allocate(): number {
    if (this.#firstFree === NONE) this.#grow();
    const slot = this.#firstFree;
    this.#firstFree = this.#links.newer[slot]!;
    this.#size++;
    this.#pushNewest(slot);
    return slot;
  }

  /** Makes a slot in use the newest. */
  touch(slot: number): void {
    if (slot === this.#newest) return;
    this.#unlink(slot);
    this.#pushNewest(slot);
  }

  /** Gives back a slot in use. */
  free(slot: number): void {
    this.#unlink(slot);
    this.#links.newer[slot] = this.#firstFree;
    this.#firstFree = slot;
    this.#size--;
  }

  /** The slots in use, newest first. */
  *newestFirst(): Generator<number> {
    for (
      let slot = this.#newest;
      slot !== NONE;
      slot = this.#links.older[slot]!
    ) yield slot;
  }

  #pushNewest(slot: number): void {
    const { newer, older } = this.#links;
    newer[slot] = NONE;
    older[slot] = this.#newest;
    if (this.#newest === NONE) this.#oldest = slot;
    else newer[this.#newest] = slot;
    this.#newest = slot;
  }

  #unlink(slot: number): void {
    const { newer, older } = this.#links;
    const next = newer[slot]!;
    const previous = older[slot]!;
    if (previous === NONE) this.#oldest = next;
    else newer[previous] = next;
    if (next === NONE) this.#newest = previous;
    else older[next] = previous;
  }

  /** Adds free slots, the lowest of which is allocated first. */
  #grow(): void {
    const { capacity } = this;
    const longer = nextCapacity(capacity, this.#limit);
    if (longer === capacity) throw new RangeError("no slot is free");
    growColumns(this.#links, longer);
    for (let slot = longer - 1; slot >= capacity; slot--) {
      this.#links.newer[slot] = this.#firstFree;
      this.#firstFree = slot;
    }
  }
}
