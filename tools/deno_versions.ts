/**
 * The versions of Deno that this project works with, and what differs between
 * them on the command line.
 *
 * @module
 */

/** The oldest version: Deno 2.5 refuses an IPv6 scope (`%`) in a host name. */
export const OLDEST = "2.6.8";

/** The newest minor version that the tests have passed with. */
export const NEWEST = "2.9";

/** The version that the documentation and the gate use. */
export const RECOMMENDED = "2.9.6";

/**
 * The version that compiles against the base runtime of `--base npm`, which is
 * that of Deno 2.6.10. Deno 2.9 stores the program as an ELF note, where a base
 * runtime of 2.6 does not look for it.
 */
export const NPM_BASE_COMPILER = "2.6.8";

/** The versions that work, as the documentation states them. */
export const KNOWN_RANGE = `${OLDEST} to ${NEWEST}`;

/** How a version relates to the versions that work. */
export type Support = "too old" | "known" | "newer";

/** The first `count` numbers of a version; a suffix as in `-rc.1` is ignored. */
function numbers(version: string, count: number): number[] {
  return version.split(/[.+-]/, count).map(Number);
}

/** Negative, 0 or positive, as `a` is older, the same or newer than `b`. */
function compare(a: string, b: string): number {
  const count = b.split(".").length;
  const left = numbers(a, count), right = numbers(b, count);
  for (const [index, number] of left.entries()) {
    if (number !== right[index]) return number - right[index]!;
  }
  return 0;
}

/** How a version of Deno relates to {@linkcode KNOWN_RANGE}. */
export function supportOf(version: string): Support {
  if (compare(version, OLDEST) < 0) return "too old";
  return compare(version, NEWEST) > 0 ? "newer" : "known";
}

/** Whether a version of Deno can compile against the base runtime from npm. */
export function compilesNpmBase(version: string): boolean {
  return compare(version, "2.6") === 0;
}

/**
 * The flags of `deno test` that make a version check for leaked operations and
 * resources. Deno before 2.8 always does and does not know the flags.
 */
export function sanitizerFlags(version: string): string[] {
  return compare(version, "2.8") < 0
    ? []
    : ["--sanitize-ops", "--sanitize-resources"];
}
