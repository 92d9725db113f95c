/**
 * The commit that the program was made from.
 *
 * @module
 */

/** Under this symbol, `tools/commit.ts` leaves it before the program begins. */
const KEY = Symbol.for("dhcpv6macd.commit");

/**
 * The commit, as git describes it. A file cannot name the commit that it is in:
 * unknown where the program was started by neither tool nor build.
 */
export const COMMIT: string | undefined =
  (globalThis as { [KEY]?: string })[KEY];
