/**
 * Tables of numbers by columns: one typed array for each property, in which an
 * entry has the same index, its slot, everywhere. An object for each entry would
 * take several times the memory, and the garbage collector would visit them all.
 *
 * @module
 */

/** Stands for "no slot". */
export const NONE = -1;

/** Slots of the first allocation. */
const MIN_CAPACITY = 1024;

type Column = Uint8Array | Uint16Array | Int32Array | Float64Array;

/**
 * The capacity of a table that has to grow: twice as many slots as before, at
 * least 1024, at most `limit`.
 */
export function nextCapacity(capacity: number, limit: number): number {
  return Math.min(limit, Math.max(MIN_CAPACITY, 2 * capacity));
}

/** A longer column with the same entries; the new ones are 0. */
function grown(column: Column, capacity: number): Column {
  const longer = new (column.constructor as { new (length: number): Column })(
    capacity,
  );
  longer.set(column);
  return longer;
}

/**
 * Replaces every column of a table by one of `capacity` slots with the same
 * entries, followed by zeros. References to the columns before are out of date
 * then.
 */
export function growColumns(
  columns: Record<string, Column>,
  capacity: number,
): void {
  for (const [name, column] of Object.entries(columns)) {
    columns[name] = grown(column, capacity);
  }
}
