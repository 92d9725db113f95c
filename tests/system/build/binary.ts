/** The binary that `deno task build` made, and what is in it. */

/** The tree that these tests are in. */
export const ROOT = Deno.realPathSync(`${import.meta.dirname}/../../..`);

/** Where it is. */
export const BINARY = `${ROOT}/dist/dhcpv6macd`;

/** What these tests lack: a binary. Says so loudly. */
export function missingBinary(suite: string): string[] {
  try {
    Deno.statSync(BINARY);
    return [];
  } catch {
    console.error(
      `\n*** NOT RUN: ${suite} need dist/dhcpv6macd: run deno task build first ***\n`,
    );
    return [BINARY];
  }
}

/** A directory or a file, as `deno compile` writes them down. */
type Entry =
  | { Dir: { n: string; e: Entry[] } }
  | { File: { n: string } };

/** What a binary carries behind the runtime. */
export interface Carried {
  /** The paths of its files, in order. */
  readonly files: readonly string[];
  /** What it may do: `null` is nothing, `[]` is everything of the kind. */
  readonly permissions: Readonly<Record<string, unknown>>;
  /** Whether it keeps compiled code in the temporary directory. */
  readonly hasCodeCache: boolean;
}

/** What stands before and behind what a binary carries. */
const MARK = new TextEncoder().encode("d3n0l4nd");

/** Octets of a length. */
const LENGTH = 8;

/**
 * Reads what a binary carries: a mark, its settings as JSON, and later the list
 * of its files as JSON, each with its length before it.
 *
 * @throws {Error} if it is none that Deno has made.
 */
export function readCarried(path: string): Carried {
  const bytes = Deno.readFileSync(path);
  const view = new DataView(bytes.buffer);
  const text = (at: number) =>
    new TextDecoder().decode(
      bytes.subarray(
        at + LENGTH,
        at + LENGTH + Number(view.getBigUint64(at, true)),
      ),
    );
  const end = lastIndexOf(bytes, MARK, bytes.length);
  const begin = lastIndexOf(bytes, MARK, end - 1);
  const settingsAt = begin + MARK.length;
  const settingsText = text(settingsAt);
  const listAt = indexOf(
    bytes,
    new TextEncoder().encode('[{"Dir":'),
    settingsAt + LENGTH + settingsText.length,
  );
  const settings = JSON.parse(settingsText);
  return {
    files: JSON.parse(text(listAt - LENGTH)).flatMap(pathsOf),
    permissions: settings.permissions,
    hasCodeCache: settings.code_cache_key !== null,
  };
}

function pathsOf(entry: Entry): string[] {
  if ("File" in entry) return [entry.File.n];
  if (!("Dir" in entry)) throw new Error(`what is ${JSON.stringify(entry)}?`);
  const { n, e } = entry.Dir;
  return e.flatMap(pathsOf).map((path) => `${n}/${path}`);
}

function isAt(bytes: Uint8Array, part: Uint8Array, at: number): boolean {
  return part.every((octet, index) => bytes[at + index] === octet);
}

function indexOf(bytes: Uint8Array, part: Uint8Array, from: number): number {
  for (let at = from; at <= bytes.length - part.length; at++) {
    if (isAt(bytes, part, at)) return at;
  }
  throw new Error("a part of the binary is missing");
}

function lastIndexOf(
  bytes: Uint8Array,
  part: Uint8Array,
  before: number,
): number {
  for (let at = before - part.length; at >= 0; at--) {
    if (isAt(bytes, part, at)) return at;
  }
  throw new Error("a part of the binary is missing");
}
