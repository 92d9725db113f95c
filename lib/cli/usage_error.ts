/**
 * What is wrong with a command line.
 *
 * @module
 */

/** A sentence for the person who typed the command; ends the program with 2. */
export class UsageError extends Error {
  override name = "UsageError";
}
