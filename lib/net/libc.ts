/**
 * Functions of the C library, for what the runtime does not have.
 *
 * @module
 */

/** The functions of an interface. */
export type Libc<Functions extends Deno.ForeignLibraryInterface> =
  Deno.DynamicLibrary<Functions>["symbols"];

/**
 * Loads functions of the C library.
 *
 * @throws {Error} if this is not Linux, there is no such library, or the runtime
 * may not call it.
 */
export function loadLibc<Functions extends Deno.ForeignLibraryInterface>(
  functions: Functions,
): Libc<Functions> {
  if (Deno.build.os !== "linux") throw new Error("not Linux");
  return Deno.dlopen("libc.so.6", functions).symbols;
}

/** What `make` returns; `undefined` if it throws: then the program does without. */
export function ifAvailable<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
