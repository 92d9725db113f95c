/**
 * Tables of numbers: an array for each thing that is remembered, in which each
 * of many entries has the same place. An object each would take several times
 * the memory, and the collector would have to go through all of them.
 *
 * @module
 */

/** Stands for "no place". */
export const NONE = -1;

/** Places that there are at first. */
const MIN_CAPACITY = 1024;

/** How many places a table has when it needs more than it had. */
export function nextCapacity(had: number, limit: number): number {
  return Math.min(limit, Math.max(MIN_CAPACITY, 2 * had));
}

/** A longer column with what was in the one before. */
export function grown<Column extends { set(other: Column): void }>(
  old: Column,
  longer: Column,
): Column {
  longer.set(old);
  return longer;
}
